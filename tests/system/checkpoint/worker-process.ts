// A checkpoint worker as a process of its own, to be killed: node worker-process.ts '{"url","address","namespace","rpcUrl","hang"}'.

import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { NativeConnection } from "@temporalio/worker";
import { z } from "zod";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { openDatabase } from "../../../db/database.ts";
import { attemptOf } from "../../../db/submissions.ts";
import { startWorkers } from "./workers.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), namespace: z.string(), rpcUrl: z.string(), codePath: z.string() },
  /** sends, says so, and never answers: the moment to be killed in */
  hangAfterSend: z.boolean(),
});
const { url, address, namespace, rpcUrl, codePath, hangAfterSend } = settings.parse(JSON.parse(process.argv[2]!));
const db = openDatabase({ url, application: "checkpoint worker" });
const connection = await NativeConnection.connect({ address });
const signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
const chain = createSolanaChain({ rpcUrl, signer, timeoutMs: 2_000 });
await startWorkers({
  ...{ connection, namespace, bundle: { codePath }, db, chain },
  around: async (name, run, input) => {
    if (name !== "broadcast" || !hangAfterSend) return run();
    const attempt = await attemptOf(db, input.id as string, input.part as number, input.n as number);
    await chain.broadcast(attempt!);
    process.stdout.write("sent\n");
    return new Promise(() => undefined);
  },
});
process.stdout.write("ready\n");
