// A checkpoint worker as a process of its own that pays a token and kills itself: node payout-worker.ts '{"url",…,"dieAt"}'.

import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { NativeConnection } from "@temporalio/worker";
import { z } from "zod";
import type { ChainPort } from "../../../chain/port.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { openDatabase } from "../../../db/database.ts";
import { startWorkers } from "./workers.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), namespace: z.string(), rpcUrl: z.string(), codePath: z.string() },
  ...{ mint: z.string(), units: z.coerce.bigint() },
  /** the step of paying that it is killed in, counted from 1; 0: in none */
  dieAt: z.number().int().min(0),
});
const { url, address, namespace, rpcUrl, codePath, mint, units, dieAt } = settings.parse(JSON.parse(process.argv[2]!));

const IDLE_MS = 14_000;
let steps = 0;
const die = (when: string): void => {
  process.stdout.write(`killed ${when}\n`);
  process.kill(process.pid, "SIGKILL");
};
/** Between two steps of paying: kill -9 here, with everything else that this process does at the time. */
const step = (when: string): void => {
  if (++steps === dieAt) die(when);
};

const db = openDatabase({ url, application: "payout worker" });
const connection = await NativeConnection.connect({ address });
const signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
const port = createSolanaChain({ rpcUrl, signer, timeoutMs: 5_000 });
const chain: ChainPort = {
  ...port,
  sign: async (...input) => {
    step("before it signed");
    const attempt = await port.sign(...input);
    step("after it signed, before the bytes were stored");
    return attempt;
  },
  broadcast: async (attempt) => {
    step("after the bytes were stored, before they were sent");
    await port.broadcast(attempt);
    step("after they were sent, before that was stored");
  },
};
await startWorkers({
  ...{ connection, namespace, bundle: { codePath }, db, chain, pool: { mint, units }, stickyTimeout: "500ms" },
  around: async (name, run) => {
    const answer = await run();
    if (name === "broadcast" || name === "observePayouts") step(`when ${name} was done, before Temporal knew`);
    return answer;
  },
});
// What other dead workers had taken comes back after their heartbeat's time-out; one that gets no work even then dies idle.
if (dieAt > 0) setTimeout(() => die("idle"), IDLE_MS);
process.stdout.write("ready\n");
