// A checkpoint worker as a process of its own that seals and waits for approval: node seal-worker.ts '<settings>'.

import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { z } from "zod";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { openDatabase } from "../../../db/database.ts";
import { startWorkers } from "./workers.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), namespace: z.string(), codePath: z.string() },
  /** seals, says so, and never answers: the moment to be killed in */
  hangsAfterSeal: z.boolean(),
});
const { url, address, namespace, codePath, hangsAfterSeal } = settings.parse(JSON.parse(process.argv[2]!));
Runtime.install({ logger: new DefaultLogger("ERROR") });
const db = openDatabase({ url, application: "seal worker" });
const connection = await NativeConnection.connect({ address });
const signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
await startWorkers({
  ...{ connection, namespace, bundle: { codePath }, db, cached: 0, deps: { approvesItself: false } },
  chain: createSolanaChain({ rpcUrl: "http://127.0.0.1:9", signer }), // nobody asks it before an approval
  around: async (name, run) => {
    const answer = await run();
    if (name !== "sealPeriod" || !hangsAfterSeal) return answer;
    process.stdout.write("sealed\n");
    return new Promise(() => undefined);
  },
});
process.stdout.write("ready\n");
