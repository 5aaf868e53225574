import { MockActivityEnvironment } from "@temporalio/testing";
import { sql } from "kysely";
import { beforeEach, describe, expect, test } from "vitest";
import { createCheckpointActivities } from "../../../activities/checkpoint.ts";
import { localRegistry, type Recipients } from "../../../chain/recipients.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { checkpointHistory, insertSealed, type SealedCheckpoint, transitionsOf } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { batchesOf } from "../../../db/payouts.ts";
import { planOf } from "../../../db/submissions.ts";
import { decisionUpdates } from "../../../workflows/decisions.ts";
import { perTest } from "./per-test.ts";
import * as w from "./world.ts";

const one = perTest();
const { handle, stops, ensure } = one;
let temporal: w.Temporal;
let db: Database;
let chain: typeof one.chain;
let competition: string;
beforeEach(() => {
  ({ temporal, db, chain, competition } = one);
});

const until = (phase: string) => w.until(db, w.PERIOD, (row) => row.phase === phase);
const work = async (options: Partial<w.WorkerOptions> = {}) => {
  const workers = await w.startWorkers({ ...temporal, db, chain: await w.portOf(chain), ...options });
  stops.push(workers.stop);
};
/** The row has a step a moment before the run has heard of it. */
const decide = (kind: keyof typeof decisionUpdates, reason?: string) =>
  w.whileBehind(() =>
    handle().executeUpdate(decisionUpdates[kind], {
      args: [reason === undefined ? undefined : { actor: "operator", reason }],
    }),
  );
const stepsOf = async (id: string) =>
  (await transitionsOf(db, id)).map((step) => `${step.from_phase}>${step.to_phase} ${step.chain_attempt}`);

async function expectPaidOnce(): Promise<void> {
  await until("PAID");
  await expectBalances();
}

async function expectBalances(): Promise<void> {
  const row = await w.until(db, w.PERIOD, () => true);
  const transfers = w.expectedOf(row);
  expect(transfers.reduce((sum, t) => sum + BigInt(t.amount), 0n)).toBe(w.POOL);
  for (const { to, amount } of transfers) expect(w.balanceOf(chain, to)).toBe(BigInt(amount));
  expect(w.landedOn(chain, (await planOf(db, row.id, 0))!.key.address)).toBe(1);
}

describe("from seal to PAID", () => {
  test("pays exactly the emission, logs each step once, and keeps the history", async () => {
    await w.seedPeriod(db, w.PERIOD);
    await work();
    await ensure();
    await expectPaidOnce();
    const row = await until("PAID");
    expect(row).toMatchObject({ id: "CKP_20260105_000200", status: "PAID", cause: null });
    expect(chain.ledger.record(row.tx_hash!)?.memo).toContain(`${row.id}:${row.merkle_root}:${row.emission_hash}`);
    const path = [
      "NONE",
      "SEALED",
      "AWAITING_APPROVAL",
      "PLANNED",
      "SIGNED",
      "SENT",
      "FINAL",
      "CLAIMABLE",
      "PAYING",
      "PAID",
    ];
    expect((await stepsOf(row.id)).filter((step) => !step.includes("SEEN"))).toEqual(
      expect.arrayContaining(["NONE>SEALED 1", "PAYING>PAID 1"]),
    );
    expect((await transitionsOf(db, row.id)).map((s) => s.to_phase).filter((p) => p !== "SEEN")).toEqual(path.slice(1));
    expect((await batchesOf(db, row.id)).map((b) => [b.part, b.status])).toEqual([[1, "FINAL"]]);

    await handle().result();
    expect((await handle().describe()).typedSearchAttributes.getAll()).toEqual(
      expect.arrayContaining([expect.objectContaining({ value: "PAID" })]),
    );
    expect(await w.runsOf(temporal, db, competition).storeClosedHistories()).toBe(1);
    expect(await w.runsOf(temporal, db, competition).storeClosedHistories()).toBe(0);
    const history = JSON.stringify(await checkpointHistory(db, row.id));
    expect(history).toContain("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED");
    for (const { wire } of await db.selectFrom("submission_attempts").select("wire").execute())
      expect(history).not.toContain(wire.slice(0, 100));
  });

  test("a quiet period is submitted and goes on to PAID by itself, without money", async () => {
    await w.seedPeriod(db, w.PERIOD, 0);
    await work();
    await ensure();
    const row = await until("PAID");
    expect(row.emission_jsonb).toEqual({
      crunch: "crunch",
      cruncher_rewards: [],
      compute_provider_rewards: [],
      data_provider_rewards: [],
    });
    expect(chain.ledger.record(row.tx_hash!)?.err).toBeNull();
    expect(await batchesOf(db, row.id)).toEqual([]);
  });

  test("waits for the scoring windows of the period", async () => {
    await w.seedPeriod(db, w.PERIOD, 3, "OPEN");
    await work();
    await ensure();
    await new Promise((later) => setTimeout(later, 2_500));
    expect(await db.selectFrom("checkpoints").selectAll().execute()).toEqual([]);
    await db.updateTable("scoring_windows").set({ status: "COMMITTED" }).execute();
    await expectPaidOnce();
  });

  test("a fork after it was seen: the same bytes again, one effect", async () => {
    await w.seedPeriod(db, w.PERIOD);
    await chain.close();
    chain = await w.fundedChain(400, 25);
    await work();
    await ensure();
    const seen = await until("SEEN");
    chain.ledger.rollback(chain.ledger.record(seen.tx_hash!)!.slot - 1);
    await w.until(db, w.PERIOD, (row) => row.phase !== "SEEN");
    expect((await w.until(db, w.PERIOD, () => true)).tx_hash).toBeNull(); // not shown while no block has it
    await until("SEEN");
    chain.ledger.skip(20);
    for (let i = 0; i < 20 && (await w.until(db, w.PERIOD, () => true)).phase !== "PAID"; i++) {
      chain.ledger.skip(20);
      await new Promise((later) => setTimeout(later, 1_000));
    }
    await expectPaidOnce();
    const steps = await stepsOf(seen.id);
    expect(steps).toContain("SEEN>SENT 2");
    expect(await db.selectFrom("submission_attempts").select("n").where("part", "=", 0).execute()).toHaveLength(1);
  });
});

describe("people decide", () => {
  test("an unknown recipient blocks the seal by name; retryBlocked seals anew", async () => {
    await w.seedPeriod(db, w.PERIOD);
    let known = false;
    const recipients: Recipients = {
      ...localRegistry,
      resolve: async (all) => (known ? localRegistry.resolve(all) : new Map()),
    };
    await work({ deps: { recipients } });
    await ensure();
    const blocked = await until("BLOCKED");
    expect(blocked).toMatchObject({ status: "PENDING", emission_hash: "" });
    expect(blocked.cause).toContain("cruncher 1 (c1)");
    expect(await decide("retryBlocked")).toMatchObject({ phase: "BLOCKED" });
    known = true;
    expect(await decide("retryBlocked", "list completed")).toMatchObject({ phase: "SEALED" });
    await expectPaidOnce();
    expect((await transitionsOf(db, blocked.id)).find((s) => s.to_phase === "SEALED")).toMatchObject({
      actor: "operator",
      cause: "list completed",
    });
  });

  test("off a local chain nothing is submitted before somebody approves", async () => {
    await w.seedPeriod(db, w.PERIOD);
    await work({ deps: { approvesItself: false } });
    await ensure();
    const row = await until("AWAITING_APPROVAL");
    await expect(decide("retry", "no")).rejects.toMatchObject({
      cause: { message: expect.stringContaining("retry is open in") },
    });
    expect(await planOf(db, row.id, 0)).toBeUndefined();
    expect(await decide("approve", "looks right")).toMatchObject({ phase: "PLANNED" });
    await expectPaidOnce();
  });

  test("void needs a reason, ends the checkpoint, and submits nothing", async () => {
    await w.seedPeriod(db, w.PERIOD);
    await work({ deps: { approvesItself: false } });
    await ensure();
    await until("AWAITING_APPROVAL");
    await expect(decide("void")).rejects.toMatchObject({
      cause: { message: expect.stringContaining("void needs a reason") },
    });
    expect(await decide("void", "wrong scorer")).toMatchObject({ phase: "VOID" });
    expect(await until("VOID")).toMatchObject({ status: "VOID", cause: "wrong scorer", tx_hash: null });
    await handle().result();
  });

  test("no funds block the submission with the cause, as often as it takes", async () => {
    await w.seedPeriod(db, w.PERIOD);
    const poor = await w.otherSigner();
    await work({ chain: createSolanaChain({ rpcUrl: chain.url, signer: poor }) });
    await ensure();
    expect((await until("BLOCKED")).cause).toContain("NO_FUNDS");
    const again = await decide("retryBlocked");
    expect(again.phase).toBe("PLANNED");
    const { id } = await until("BLOCKED");
    chain.ledger.airdrop(poor.address, 50_000_000_000n);
    await decide("retryBlocked");
    await expectPaidOnce();
    expect((await stepsOf(id)).filter((s) => s.startsWith("PLANNED>BLOCKED"))).toEqual([
      "PLANNED>BLOCKED 1",
      "PLANNED>BLOCKED 2",
    ]);
  });

  test("payouts without funds stay CLAIMABLE with the cause, and go on when it is gone", async () => {
    await w.seedPeriod(db, w.PERIOD);
    const poor = await w.otherSigner();
    chain.ledger.airdrop(poor.address, 100_000_000n);
    await work({ chain: createSolanaChain({ rpcUrl: chain.url, signer: poor }) });
    await ensure();
    const stuck = await w.until(db, w.PERIOD, (row) => row.cause !== null);
    expect(stuck).toMatchObject({
      phase: "CLAIMABLE",
      status: "CLAIMABLE",
      cause: expect.stringContaining("NO_FUNDS"),
    });
    chain.ledger.airdrop(poor.address, 50_000_000_000n);
    await decide("retryBlocked");
    await expectPaidOnce();
    expect((await until("PAID")).cause).toBeNull();
  });
});

describe("what happens to a workflow happens to no checkpoint", () => {
  const sealedAndWaiting = async () => {
    await w.seedPeriod(db, w.PERIOD);
    await work({ deps: { approvesItself: false } });
    await ensure();
    return until("AWAITING_APPROVAL");
  };
  const faults: [string, () => Promise<unknown>][] = [
    ["terminated", () => handle().terminate("a fault")],
    ["cancelled", () => handle().cancel()],
    [
      "deleted",
      () =>
        temporal.client.workflowService.deleteWorkflowExecution({
          namespace: temporal.namespace,
          workflowExecution: { workflowId: w.workflowIdOf(competition) },
        }),
    ],
    ["reset", () => w.resetToStart(temporal, w.workflowIdOf(competition))],
  ];
  test.each(faults)("%s: the row decides, and one payment comes of it", async (_, strike) => {
    const row = await sealedAndWaiting();
    await strike();
    await new Promise((later) => setTimeout(later, 1_000));
    await ensure();
    await w.eventually(() => decide("approve", "after the fault"));
    await expectPaidOnce();
    expect((await stepsOf(row.id)).filter((s) => s.startsWith("NONE>SEALED"))).toHaveLength(1);
    expect(await ensure()).toEqual({ open: 0, periods: 0 });
  });

  test("a run that ended well although the row is open (an older database) is started again", async () => {
    await w.seedPeriod(db, w.PERIOD);
    await work();
    await ensure();
    await expectPaidOnce();
    await handle().result();
    // As a restored backup from before the end has it; only a superuser can take the log back.
    await sql`alter table checkpoint_transitions disable trigger append_only`.execute(db);
    await db.deleteFrom("checkpoint_transitions").where("to_phase", "=", "PAID").execute();
    await db.updateTable("checkpoints").set({ phase: "PAYING", status: "CLAIMABLE" }).execute();
    await db.updateTable("payout_batches").set({ status: "SENT", tx_hash: null }).execute();
    expect(await ensure()).toMatchObject({ open: 1 });
    await until("PAID");
    await expectBalances();
  });
});

describe("the log of transitions", () => {
  const sealed: SealedCheckpoint = {
    ...{
      id: "CKP_1",
      startMs: 0,
      endMs: 1_000,
      phase: "SEALED",
      cause: null,
      entries: [],
      emission: {},
      meta: {},
      merkleRoot: "",
      emissionHash: "x",
    },
  };
  const activities = () =>
    createCheckpointActivities({
      ...{ db, log: w.quiet, recipients: localRegistry, publicUrl: "" },
      seal: {
        contract: { ranking: { key: "overall", direction: "desc" }, windows: [] },
        ...{ crunch: "c", computeProvider: "", dataProvider: "" },
      },
    });
  const record = (from: "SEALED" | "PLANNED", to: "AWAITING_APPROVAL" | "FINAL") =>
    new MockActivityEnvironment().run(activities().recordTransition, {
      id: "CKP_1",
      from,
      to,
      attempt: 1,
      actor: "node",
      cause: "test",
    });

  beforeEach(() => db.transaction().execute((tx) => insertSealed(tx, sealed, { actor: "node", cause: "test" })));

  test("the same step five times, also at once, is one row", async () => {
    await Promise.all([1, 2, 3].map(() => record("SEALED", "AWAITING_APPROVAL")));
    for (const _ of [4, 5])
      expect(await record("SEALED", "AWAITING_APPROVAL")).toMatchObject({ phase: "AWAITING_APPROVAL" });
    expect(await stepsOf("CKP_1")).toEqual(["NONE>SEALED 1", "SEALED>AWAITING_APPROVAL 1"]);
  });
  test("a step from another phase, or one that the table forbids, is refused and leaves no row", async () => {
    await expect(record("PLANNED", "FINAL")).rejects.toMatchObject({ type: "IllegalTransition", nonRetryable: true });
    await expect(record("SEALED", "FINAL")).rejects.toMatchObject({ type: "IllegalTransition" });
    expect(await stepsOf("CKP_1")).toEqual(["NONE>SEALED 1"]);
  });
  test("refuses update and delete", async () => {
    await expect(db.updateTable("checkpoint_transitions").set({ actor: "x" }).execute()).rejects.toThrow("append-only");
    await expect(db.deleteFrom("checkpoint_transitions").execute()).rejects.toThrow("append-only");
  });
  test("a second seal of the period finds the first", async () => {
    const again = await db
      .transaction()
      .execute((tx) => insertSealed(tx, { ...sealed, emissionHash: "other" }, { actor: "node", cause: "test" }));
    expect(again.emission_hash).toBe("x");
    expect(await stepsOf("CKP_1")).toHaveLength(1);
  });
});
