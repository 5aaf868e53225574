import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { splitPool } from "../../../chain/payout/split.ts";
import type { Transfer } from "../../../chain/port.ts";
import { fillLocalToken, localMint } from "../../../chain/solana/local-token.ts";
import { createRpc, type Rpc } from "../../../chain/solana/rpc.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { tokenAccountOf, usableUnits } from "../../../chain/solana/token.ts";
import { batchesOf, storeBatches } from "../../../db/payouts.ts";
import { checkpointId } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";
import { Random } from "../../../domain/random.ts";
import { fallingShares, seedFinal } from "./seed-final.ts";
import * as w from "./world.ts";

const LONG = process.env.PAYOUT_TEST === "long";
const RECIPIENTS = LONG ? 1_000 : 200;
const SOL_RECIPIENTS = LONG ? 200 : 40;
const KILLS = LONG ? 60 : 14;
/** All that one dies in waits for its heartbeat: many at once die in the same wait. */
const SIDE_BY_SIDE = 7;
const SURVIVORS = 2;
const WITHIN_MS = LONG ? 1_800_000 : 480_000;
const TOKENS = 10_000_000_003n; // 10,000.000003 with 6 decimals: divides by nothing
const LAMPORTS = 1_000_000_007n;
const SOL_PERIOD: Period = { startMs: w.PERIOD.endMs, endMs: w.PERIOD.endMs + w.INTERVAL_MS };

let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
const children = new Set<ChildProcess>();
const dir = mkdtempSync(join(tmpdir(), "almanac-payouts-"));

beforeAll(async () => {
  [temporal, database] = [await w.testTemporal(), await w.testDatabase()];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});
afterAll(async () => {
  await temporal.close();
  await database.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(file: string, settings: object): { child: ChildProcess; lines: string[]; ended: Promise<unknown> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(dir, "compiled") },
  });
  children.add(child);
  const lines: string[] = [];
  createInterface(child.stdout!).on("line", (line) => lines.push(line));
  return { child, lines, ended: once(child, "exit").finally(() => children.delete(child)) };
}

async function startChain(): Promise<string> {
  const { lines } = run("../../../chain/dev-chain/main.ts", {
    ...{ dir: join(dir, "chain"), port: 0, slotMs: 50, finalAfterSlots: 20 },
  });
  return w.eventually(async () => (JSON.parse(lines[0]!) as { url: string }).url, 60_000);
}

/** The same in SOL, its batches frozen by other settings than the workers have. */
async function seedClaimable(rpcUrl: string): Promise<Transfer[]> {
  const transfers = splitPool(LAMPORTS, await seedFinal(database.db, SOL_PERIOD, fallingShares(SOL_RECIPIENTS)));
  const chain = createSolanaChain({ rpcUrl, signer: await w.submitter(), timeoutMs: 5_000 });
  const checkpoint = checkpointId(SOL_PERIOD.endMs);
  const plans = await chain.freezePayouts({ crunch: "crunch", checkpoint, mint: null, transfers });
  await database.db.transaction().execute(async (tx) => {
    await tx
      .updateTable("checkpoints")
      .set({ phase: "CLAIMABLE", status: "CLAIMABLE" })
      .where("id", "=", checkpoint)
      .execute();
    await storeBatches(tx, checkpoint, plans);
  });
  return transfers;
}

/** Keeps workers side by side, each killed at a step of its own, until so many have died; then two that live. Returns where they died. */
async function killWorkers(rpcUrl: string, mint: string, random: Random): Promise<string[]> {
  const { url } = database;
  const { address, namespace, bundle } = temporal;
  const deaths: string[] = [];
  let planned = 0;
  const worker = (dieAt: number) =>
    run("payout-worker.ts", {
      ...{ url, address, namespace, rpcUrl, codePath: bundle.codePath, mint, units: String(TOKENS), dieAt },
    });
  const lane = async () => {
    while (planned < KILLS) {
      planned++;
      const { lines, ended } = worker(1 + random.below(7));
      await ended;
      deaths.push(lines.at(-1)!);
      if (random.below(10) < 3) await loseBytes(random);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane));
  for (let i = 0; i < SURVIVORS; i++) worker(0);
  return deaths;
}

/** The database forgets what was signed for one batch that is not final, sent or not. */
async function loseBytes(random: Random): Promise<void> {
  const { db } = database;
  const open = await db
    .selectFrom("payout_batches")
    .select(["checkpoint_id", "part"])
    .where("status", "!=", "FINAL")
    .orderBy("part")
    .execute();
  const lost = open[random.below(Math.max(1, open.length))];
  if (!lost) return;
  await db
    .deleteFrom("submission_attempts")
    .where("checkpoint_id", "=", lost.checkpoint_id)
    .where("part", "=", lost.part)
    .execute();
}

async function expectEachBatchOnce(rpc: Rpc, period: Period): Promise<number> {
  const batches = await batchesOf(database.db, checkpointId(period.endMs));
  expect(batches.map(({ status }) => status)).toEqual(batches.map(() => "FINAL"));
  for (const { marker, tx_hash } of batches) {
    const landed = (await rpc.signaturesFor(marker)).filter((entry) => entry.err === null);
    expect(landed.map((entry) => entry.signature)).toEqual([tx_hash]);
  }
  return batches.length;
}

test(
  `${RECIPIENTS} recipients of a token and ${SOL_RECIPIENTS} of SOL, ${KILLS} times kill -9, bytes lost: exact amounts, each batch once`,
  async () => {
    const rpcUrl = await startChain();
    const rpc = createRpc(rpcUrl, 5_000);
    const [payer, mint] = [(await w.submitter()).address, await localMint()];
    await rpc.airdrop(payer, 50_000_000_000n);
    await fillLocalToken(rpc, payer, TOKENS);
    const source = await tokenAccountOf(mint, payer);
    const unitsOf = async (accounts: string[], wallets: string[]) =>
      (await rpc.accounts(accounts)).map((account, i) => usableUnits(account, mint, wallets[i]!));
    const [before] = await unitsOf([source], [payer]);
    const expected = splitPool(TOKENS, await seedFinal(database.db, w.PERIOD, fallingShares(RECIPIENTS)));
    const inSol = await seedClaimable(rpcUrl);
    await w.runsOf(temporal, database.db, w.newCompetition(), SOL_PERIOD.endMs).ensureCheckpoints();

    const deaths = await killWorkers(rpcUrl, mint, new Random(process.env.PAYOUT_SEED ?? "fourteen kills"));
    expect(deaths.map((line) => line.split(" ")[0])).toEqual(Array(KILLS).fill("killed"));
    for (const period of [w.PERIOD, SOL_PERIOD])
      await w.until(database.db, period, (row) => row.phase === "PAID", WITHIN_MS);

    const wallets = expected.map((transfer) => transfer.to);
    const got = await unitsOf(await Promise.all(wallets.map((wallet) => tokenAccountOf(mint, wallet))), wallets);
    expect(got).toEqual(expected.map((transfer) => BigInt(transfer.amount)));
    expect(got.reduce<bigint>((sum, units) => sum + (units as bigint), 0n)).toBe(TOKENS);
    const [after] = await unitsOf([source], [payer]);
    expect((before as bigint) - (after as bigint)).toBe(TOKENS);
    for (const { to, amount } of inSol) expect(await rpc.balance(to, "finalized")).toBe(BigInt(amount));
    expect(inSol.reduce((sum, { amount }) => sum + BigInt(amount), 0n)).toBe(LAMPORTS);
    expect(await expectEachBatchOnce(rpc, w.PERIOD)).toBeGreaterThan(RECIPIENTS / 8);
    expect(await expectEachBatchOnce(rpc, SOL_PERIOD)).toBeGreaterThan(1);
  },
  WITHIN_MS + 20_000,
);

test("a frozen batch stays as it is, whoever asks the database", async () => {
  const [batch] = await batchesOf(database.db, checkpointId(w.PERIOD.endMs));
  const changed = { recipients_jsonb: JSON.stringify([{ to: batch!.marker, amount: "1" }]) };
  await expect(
    database.db.updateTable("payout_batches").set(changed).where("marker", "=", batch!.marker).execute(),
  ).rejects.toThrow(`payout batch ${batch!.part} of ${batch!.checkpoint_id} is frozen`);
});
