import { beforeEach, expect, test } from "vitest";
import { fillLocalToken, localMint } from "../../../chain/solana/local-token.ts";
import { createRpc } from "../../../chain/solana/rpc.ts";
import { batchesOf } from "../../../db/payouts.ts";
import { checkpointId } from "../../../domain/ids.ts";
import { decisionUpdates } from "../../../workflows/decisions.ts";
import { perTest } from "./per-test.ts";
import { seedFinal } from "./seed-final.ts";
import * as w from "./world.ts";

const LEAST_BALANCE = 890_880n; // of an account without data
const ID = checkpointId(w.PERIOD.endMs);

const one = perTest();
const { handle, stops, ensure } = one;
let temporal: w.Temporal;
let database: typeof one.database;
let chain: typeof one.chain;
beforeEach(() => {
  ({ temporal, database, chain } = one);
});

const until = (done: Parameters<typeof w.until>[2]) => w.until(database.db, w.PERIOD, done);
const retry = () => w.whileBehind(() => handle().executeUpdate(decisionUpdates.retryBlocked, { args: [undefined] }));
const work = async (options: Partial<w.WorkerOptions>) => {
  const { stop } = await w.startWorkers({ ...temporal, db: database.db, chain: await w.portOf(chain), ...options });
  stops.push(stop);
  return stop;
};

test("one who cannot be paid yet holds up nobody else; the checkpoint is PAID when that one is", async () => {
  const [, , dust] = await seedFinal(database.db, w.PERIOD, [500_000_000n, 450_000_000n, 50_000_000n]);
  await work({ pool: { mint: null, units: 10_000_000n } });
  await ensure();
  const waiting = await until((row) => row.phase === "PAYING" && row.cause !== null);
  expect(waiting.cause).toBe(
    `REFUSED: ${dust!.address} would hold less than the least balance of an account. It is paid as soon as it holds more.`,
  );
  await w.eventually(async () => {
    const batches = await batchesOf(database.db, ID);
    expect(batches.map(({ status, cause }) => [status, cause])).toEqual([
      ["FINAL", null],
      ["PLANNED", waiting.cause],
    ]);
  });
  expect(w.balanceOf(chain, dust!.address)).toBe(0n);
  chain.ledger.airdrop(dust!.address, LEAST_BALANCE);
  await retry();
  expect((await until((row) => row.phase === "PAID")).cause).toBeNull();
  expect(w.balanceOf(chain, dust!.address)).toBe(LEAST_BALANCE + 500_000n);
});

test("a mint that is none keeps the checkpoint SUBMITTED with the cause; without tokens nobody is paid, then everybody", async () => {
  const recipients = await seedFinal(database.db, w.PERIOD, [700_000_000n, 300_000_000n]);
  const [payer, mint, units] = [(await w.submitter()).address, await localMint(), 1_000_003n];
  const stop = await work({ pool: { mint: payer, units } });
  await ensure();
  const refused = await until((row) => row.cause !== null);
  expect(refused).toMatchObject({ phase: "FINAL", status: "SUBMITTED" });
  expect(refused.cause).toContain(`REFUSED: PAYOUT_MINT ${payer} belongs to the program`);
  await stop();
  stops.length = 0;

  // A mint that exists, and a payer without any of it.
  const rpc = createRpc(chain.url, 2_000);
  await fillLocalToken(rpc, (await w.otherSigner()).address, units);
  await work({ pool: { mint, units } });
  await retry();
  const lacking = await until((row) => row.phase === "CLAIMABLE" && row.cause !== null);
  expect(lacking.cause).toMatch(new RegExp(`NO_FUNDS: 1 payout batch needs ${units} units of ${mint} .* holds 0`));
  expect((await batchesOf(database.db, ID)).map(({ status }) => status)).toEqual(["PLANNED"]);
  await fillLocalToken(rpc, payer, units);
  await retry();
  await until((row) => row.phase === "PAID");
  const [batch] = await batchesOf(database.db, ID);
  expect(batch).toMatchObject({ status: "FINAL", mint, decimals: 6, amount: String(units), cause: null });
  expect((batch!.recipients_jsonb as { to: string; amount: string }[]).map(({ to, amount }) => [to, amount])).toEqual([
    [recipients[0]!.address, "700002"],
    [recipients[1]!.address, "300001"],
  ]);
});
