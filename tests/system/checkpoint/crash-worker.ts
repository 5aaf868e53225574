// A checkpoint worker as a process of its own, to be killed: node crash-worker.ts '<settings>', with CELLS='{"<checkpoint>":{...}}' in its environment.

import { createKeyPairSignerFromPrivateKeyBytes } from "@solana/kit";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { z } from "zod";
import type { ChainPort, FrozenPlan } from "../../../chain/port.ts";
import { openDatabase } from "../../../db/database.ts";
import { cellShape } from "./crash-cells.ts";
import { crashingPort } from "./crash-port.ts";
import { ask } from "./processes.ts";
import { startWorkers } from "./workers.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), namespace: z.string(), codePath: z.string() },
  /** false: one approval is asked for */
  approvesItself: z.boolean().default(true),
});
const { url, address, namespace, codePath, approvesItself } = settings.parse(JSON.parse(process.argv[2]!));
const cells = z.record(z.string(), cellShape).parse(JSON.parse(process.env.CELLS ?? "{}"));

const say = (line: string) => process.stdout.write(`${line}\n`);
const db = openDatabase({ url, application: "checkpoint worker" });
Runtime.install({ logger: new DefaultLogger(process.env.TEST_LOG === undefined ? "ERROR" : "WARN") });
const connection = await NativeConnection.connect({ address });
const signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));

const woken = new Set<string>();
/** The crash: says where it stands, and never goes on. A pause comes once, and ends when somebody wakes this process. */
async function stop(id: string): Promise<void> {
  if (woken.has(id)) return;
  say(`at ${id}`);
  if (!cells[id]!.pauses) return new Promise(() => undefined);
  woken.add(id);
  process.kill(process.pid, "SIGSTOP");
}
const ports = new Map(
  await Promise.all(
    Object.entries(cells).map(
      async ([id, cell]) => [id, await crashingPort({ id, cell, db, signer, say, stop: () => stop(id) })] as const,
    ),
  ),
);
const byGenesis = new Map<unknown, ChainPort>();
for (const [id, port] of ports) byGenesis.set(await ask(cells[id]!.honestUrl, "getGenesisHash"), port);
const of = (id: string): ChainPort => ports.get(id)!;
const ofPlan = (plan: FrozenPlan): ChainPort => byGenesis.get(plan.genesis)!;

/** Each checkpoint has its own chain, found by the checkpoint's id, by genesis, or by signature. */
const chain: ChainPort = {
  genesis: async () => "many",
  freeze: (plan) => of(plan.checkpoint).freeze(plan),
  freezePayouts: (plan) => of(plan.checkpoint).freezePayouts(plan),
  shortfall: (plans) => ofPlan(plans[0]!).shortfall(plans),
  inspect: (plan, signature) => ofPlan(plan).inspect(plan, signature),
  observe: (plan, ...rest) => ofPlan(plan).observe(plan, ...rest),
  sign: (plan, ...rest) => ofPlan(plan).sign(plan, ...rest),
  broadcast: async (attempt) => {
    const { checkpoint_id } = await db
      .selectFrom("submission_attempts")
      .select("checkpoint_id")
      .where("signature", "=", attempt.id)
      .executeTakeFirstOrThrow();
    return of(checkpoint_id).broadcast(attempt);
  },
};

await startWorkers({
  ...{ connection, namespace, bundle: { codePath }, db, chain, deps: { approvesItself } },
  // Those that stand still before or after signing must not hold up the others.
  signers: Object.keys(cells).length,
  stickyTimeout: "1s", // one that was killed is not waited for
  around: async (name, run, input) => {
    const { id = "", part } = (input ?? {}) as { id?: string; part?: number };
    try {
      const answer = await run();
      if (name === "broadcast" && part === 0 && cells[id]?.crash === "acknowledged") await stop(id);
      return answer;
    } finally {
      if (woken.has(id)) say(`went on with ${name} of ${id}`);
    }
  },
});
say("ready");
