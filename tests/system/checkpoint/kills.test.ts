import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { checkpointId } from "../../../domain/ids.ts";
import { effects, exactlyPaid, startWorker, statusOf } from "./landed.ts";
import { ask, endAll, type Program, run } from "./processes.ts";
import * as w from "./world.ts";

let temporal: w.Temporal;
let database: w.Store;
const dir = mkdtempSync(join(tmpdir(), "almanac-kills-"));
const id = checkpointId(w.PERIOD.endMs);

beforeAll(async () => {
  [temporal, database] = [await w.testTemporal(), await w.testDatabase()];
});
afterEach(endAll);
afterAll(async () => {
  await temporal.close();
  await database.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The dev chain as `npm start` runs it, on disk. */
async function startChain(port: number): Promise<{ program: Program; url: string }> {
  const settings = { dir: join(dir, "chain"), port, slotMs: 50, finalAfterSlots: 20 };
  const program = run("../../../chain/dev-chain/main.ts", settings);
  return { program, url: z.object({ url: z.string() }).parse(JSON.parse(await program.said("ready"))).url };
}

test("kill -9 of the worker right after it sent, and of the chain in the middle: one emission, exact payments", async () => {
  let chain = await startChain(0);
  await ask(chain.url, "requestAirdrop", (await w.submitter()).address, 50_000_000_000);
  await w.seedPeriod(database.db, w.PERIOD);
  await w.runsOf(temporal, database.db, "kills").ensureCheckpoints();
  const cell = { rpcUrl: chain.url, honestUrl: chain.url, fault: "none" } as const;

  const first = startWorker(database, temporal, { [id]: { ...cell, crash: "sent, not acknowledged" } });
  await first.said(`at ${id}`);
  await first.kill();
  const [sent] = await database.db.selectFrom("submission_attempts").select(["signature", "sent_at"]).execute();
  expect(sent!.sent_at).toBeNull(); // the chain has it, the database does not know

  // Two workers take over, on a chain that dies too and comes back with everything that it had answered.
  const others = [1, 2].map(() => startWorker(database, temporal, { [id]: { ...cell, crash: "none" } }));
  for (const other of others) await other.said("ready");
  await chain.program.kill();
  chain = await startChain(Number(new URL(chain.url).port));
  expect(await statusOf(chain.url, sent!.signature)).toMatchObject({ err: null });

  const row = await w.until(database.db, w.PERIOD, (r) => r.phase === "PAID", 110_000);
  expect(await exactlyPaid(chain.url, row)).toEqual([]);
  expect(await effects(chain.url, database.db, id)).toEqual({ emission: [sent!.signature], payouts: [1] });
  expect(row.tx_hash).toBe(sent!.signature);
}, 200_000);
