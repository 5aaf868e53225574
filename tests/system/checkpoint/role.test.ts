import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCompetition } from "../../../competitions/load.ts";
import { readConfig } from "../../../config.ts";
import { checkpointScheduleId } from "../../../domain/ids.ts";
import { periodAt } from "../../../domain/period.ts";
import { ensureSigningKey } from "../../../local/signing-key.ts";
import { startCheckpointRole } from "../../../workers/checkpoint.ts";
import type { RoleContext } from "../../../workers/context.ts";
import * as w from "./world.ts";

let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
let chain: Awaited<ReturnType<typeof w.fundedChain>>;
const dir = mkdtempSync(join(tmpdir(), "almanac-role-"));

beforeAll(async () => {
  [temporal, database, chain] = [await w.testTemporal(), await w.testDatabase(), await w.fundedChain()];
});
afterAll(async () => {
  await temporal.close();
  await chain.close();
  await database.close();
  rmSync(dir, { recursive: true });
});

async function context(settings: Record<string, string>): Promise<RoleContext> {
  const common = {
    COMPETITION: "competitions/realtime/competition.ts",
    CHECKPOINT_INTERVAL_SECONDS: "60",
    CRUNCH_ID: w.newCompetition(),
  };
  const config = readConfig({
    ...common,
    TEMPORAL_CHECKPOINT_NAMESPACE: temporal.namespace,
    SOLANA_RPC_URL: chain.url,
    ...settings,
  });
  const { client, connection, bundle } = temporal;
  const competition = await loadCompetition(config.COMPETITION, ["SP500"]);
  return {
    config,
    log: w.quiet,
    db: database.db,
    competition,
    temporal: { connection, rounds: client, checkpoints: client, workflowBundle: bundle },
  };
}

test("the role funds itself on a local chain, finds a period that has ended, and pays it", async () => {
  const key = join(dir, "submitter.json");
  ensureSigningKey(key);
  const ours = await context({ NETWORK: "LOCAL", SOLANA_KEYPAIR_PATH: key });
  const anchorMs = Date.parse(ours.config.CHECKPOINT_ANCHOR);
  const ended = periodAt({ anchorMs, intervalMs: 60_000 }, Date.now() - 60_000);
  await w.seedPeriod(database.db, ended, 3);
  const role = await startCheckpointRole(ours);
  expect(await role.missing()).toEqual([]);
  const row = await w.until(database.db, ended, (r) => r.phase === "PAID");
  for (const { to, lamports } of w.expectedOf(row, ours.config.PAYOUT_POOL_LAMPORTS))
    expect(w.balanceOf(chain, to)).toBe(BigInt(lamports));
  await temporal.client.schedule.getHandle(checkpointScheduleId(ours.config.CRUNCH_ID)).describe();
  await role.drain();
});

test("settings that are missing or a key that others can read are named before anything starts", async () => {
  await expect(startCheckpointRole(await context({ NETWORK: "LOCAL" }))).rejects.toThrow(
    "SOLANA_KEYPAIR_PATH: not set",
  );
  const open = join(dir, "open.json");
  writeFileSync(open, "[]", { mode: 0o644 });
  await expect(startCheckpointRole(await context({ NETWORK: "LOCAL", SOLANA_KEYPAIR_PATH: open }))).rejects.toThrow(
    "chmod 600",
  );
});
