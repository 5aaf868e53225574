import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { localMint } from "../../../chain/solana/local-token.ts";
import { createRpc } from "../../../chain/solana/rpc.ts";
import { tokenAccountOf, usableUnits } from "../../../chain/solana/token.ts";
import { checkpointScheduleId } from "../../../domain/ids.ts";
import { periodAt } from "../../../domain/period.ts";
import { ensureSigningKey } from "../../../local/signing-key.ts";
import { startCheckpointRole } from "../../../workers/checkpoint.ts";
import { roleContext } from "./role-context.ts";
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

const context = (settings: Record<string, string>) =>
  roleContext(temporal, database.db, { SOLANA_RPC_URL: chain.url, ...settings });

test("the role funds itself on a local chain, finds a period that has ended, and pays it in the chain's own token", async () => {
  const key = join(dir, "submitter.json");
  ensureSigningKey(key);
  const [units, mint] = [25_000_003n, await localMint()];
  const token = { PAYOUT_MINT: "LOCAL", PAYOUT_POOL_UNITS: String(units) };
  const ours = await context({ NETWORK: "LOCAL", SOLANA_KEYPAIR_PATH: key, ...token });
  const anchorMs = Date.parse(ours.config.CHECKPOINT_ANCHOR);
  const ended = periodAt({ anchorMs, intervalMs: 60_000 }, Date.now() - 60_000);
  await w.seedPeriod(database.db, ended, 3);
  const role = await startCheckpointRole(ours);
  expect(await role.missing()).toEqual([]);
  const row = await w.until(database.db, ended, (r) => r.phase === "PAID");
  const rpc = createRpc(chain.url, 5_000);
  for (const { to, amount } of w.expectedOf(row, units)) {
    const [account] = await rpc.accounts([await tokenAccountOf(mint, to)]);
    expect(usableUnits(account ?? null, mint, to)).toBe(BigInt(amount));
  }
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
