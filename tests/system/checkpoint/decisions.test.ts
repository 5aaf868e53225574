import { createKeyPairSignerFromPrivateKeyBytes, getAddressEncoder, type KeyPairSigner } from "@solana/kit";
import { sql } from "kysely";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DecisionSettings } from "../../../activities/decision.ts";
import { ChainError } from "../../../chain/port.ts";
import { signDecision } from "../../../cli/checkpoint-sign.ts";
import { transitionsOf } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { decisionsOf } from "../../../db/decisions.ts";
import { planOf } from "../../../db/submissions.ts";
import type { Decision } from "../../../domain/checkpoint.ts";
import type { Approver, DecisionResult } from "../../../domain/decision.ts";
import { SIGNAL, UPDATE } from "../../../domain/ids.ts";
import { toHex } from "../../../proofs/hash.ts";
import { claimsPort } from "./claims.ts";
import { perTest } from "./per-test.ts";
import * as w from "./world.ts";

const one = perTest();
const { handle, stops } = one;
let temporal: w.Temporal;
let db: Database;
let chain: typeof one.chain;
let competition: string;
let [alice, bob]: [KeyPairSigner, KeyPairSigner] = [] as never;

const approverOf = ({ address }: KeyPairSigner): Approver => ({
  address,
  publicKey: toHex(Uint8Array.from(getAddressEncoder().encode(address))),
});

beforeAll(async () => {
  [alice, bob] = (await Promise.all(
    [21, 22].map((n) => createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(n))),
  )) as [KeyPairSigner, KeyPairSigner];
});
beforeEach(async () => {
  ({ temporal, db, chain, competition } = one);
  await w.seedPeriod(db, w.PERIOD);
});

const until = (phase: string) => w.until(db, w.PERIOD, (row) => row.phase === phase);

/** Workers of a node on DEVNET (the dev chain plays it) up to the seal that waits for approval. */
async function waiting(decisions: Partial<DecisionSettings> = {}) {
  const { stop } = await w.startWorkers({
    ...{ ...temporal, db, chain: await w.portOf(chain) },
    decisions: {
      ...{ network: "DEVNET", signed: true, approvers: [approverOf(alice)], approvalsNeeded: 1, ...decisions },
    },
  });
  stops.push(stop);
  await w.runsOf(temporal, db, competition).ensureCheckpoints();
  const row = await until("AWAITING_APPROVAL");
  await w.eventually(async () => expect(await details()).toContain(`${row.id}: AWAITING_APPROVAL`));
  return row;
}

/** What the Temporal UI shows of the run. */
const details = async () => JSON.stringify(await handle().query("__temporal_workflow_metadata"));

const update = (action: Decision | "confirm", input?: object) =>
  handle().executeUpdate<DecisionResult, [object | undefined]>(UPDATE[action], { args: [input] });
/** What the caller of a refused update is told. */
const refusedWith = (type: string, words: string) =>
  expect.objectContaining({ cause: expect.objectContaining({ type, message: expect.stringContaining(words) }) });

let keys = 0;
const signed = async (by: KeyPairSigner, action: Decision, given: { reason?: string; key?: string } = {}) => {
  const row = await w.until(db, w.PERIOD, () => true);
  const of = { network: "DEVNET", crunch: "crunch", checkpoint: row.id, emissionHash: row.emission_hash };
  const { reason = null, key = `test-${keys++}` } = given;
  return signDecision(by, of, { action, reason, key, validMs: 600_000 });
};

describe("off LOCAL", () => {
  test("an unsigned decision, sent by hand, is refused with the command that signs it; a signed one counts, under the key's name", async () => {
    const row = await waiting();
    const command = `almanac checkpoint sign ${row.id} approve --key <key file>`;
    await expect(update("approve")).rejects.toEqual(refusedWith("Unsigned", command));
    await expect(update("approve", { actor: "alice" })).rejects.toEqual(refusedWith("Unsigned", command));
    await expect(update("void", { reason: "no" })).rejects.toEqual(refusedWith("Unsigned", "sign"));
    await expect(update("approve", await signed(bob, "approve"))).rejects.toEqual(
      refusedWith("NotApprover", bob.address),
    );
    await expect(update("approve", await signed(alice, "void", { reason: "x" }))).rejects.toEqual(
      refusedWith("BadSignature", "does not belong"),
    );
    expect(await planOf(db, row.id, 0)).toBeUndefined();
    const input = { ...(await signed(alice, "approve", { reason: "checked" })), actor: "mallory" };
    expect(await update("approve", input)).toEqual({
      ...{ id: row.id, action: "approve", actor: alice.address, phase: "PLANNED", status: "PENDING", waits_for: null },
    });
    const planned = (await transitionsOf(db, row.id)).find((step) => step.to_phase === "PLANNED");
    expect(planned).toMatchObject({ actor: alice.address, cause: "checked" });
    expect(await decisionsOf(db, row.id)).toMatchObject([
      {
        action: "approve",
        actor: alice.address,
        signature: input.signature,
        workflow_run_id: planned!.workflow_run_id,
      },
    ]);
    await until("PAID");
    expect(
      await db.selectFrom("checkpoint_transitions").select("actor").where("actor", "=", "mallory").execute(),
    ).toEqual([]);
  });

  test("two different approvers, then the objection window; the second click gets the first answer, another body is refused", async () => {
    const row = await waiting({
      ...{ approvers: [approverOf(alice), approverOf(bob)], approvalsNeeded: 2, objectionMs: 6_000 },
    });
    const first = await signed(alice, "approve", { key: "once" });
    const answer = await update("approve", first);
    expect(answer).toMatchObject({ phase: "AWAITING_APPROVAL", waits_for: "1 of 2 approvals" });
    await expect(update("approve", await signed(alice, "approve"))).rejects.toEqual(refusedWith("Approved", "already"));
    await expect(update("approve", await signed(bob, "approve", { key: "once" }))).rejects.toEqual(
      refusedWith("KeyReused", "once"),
    );
    expect((await update("approve", await signed(bob, "approve"))).waits_for).toContain("objection window");
    expect(await planOf(db, row.id, 0)).toBeUndefined();
    expect(await update("approve", await signed(alice, "approve", { key: "once" }))).toEqual(answer);
    const planned = await w.until(db, w.PERIOD, (now) => now.phase !== "AWAITING_APPROVAL");
    const steps = await transitionsOf(db, row.id);
    const [opened, agreed] = ["AWAITING_APPROVAL", "PLANNED"].map((to) => steps.find((step) => step.to_phase === to)!);
    expect(agreed!.at.getTime() - opened!.at.getTime()).toBeGreaterThanOrEqual(6_000);
    expect(agreed).toMatchObject({ actor: bob.address, cause: `approved by ${alice.address} and ${bob.address}` });
    expect(planned.approvals_needed).toBe(2);
    expect(await decisionsOf(db, row.id)).toHaveLength(2);
  });

  test("what is approved can be voided while the objection window is open", async () => {
    await waiting({ objectionMs: 600_000 });
    expect(await update("approve", await signed(alice, "approve"))).toMatchObject({ phase: "AWAITING_APPROVAL" });
    expect(await details()).toContain("the objection window, open until");
    expect(await update("void", await signed(alice, "void", { reason: "wrong truth" }))).toMatchObject({
      phase: "VOID",
    });
    expect(await until("VOID")).toMatchObject({ status: "VOID", cause: "wrong truth", tx_hash: null });
    await handle().result();
  });

  test("approvers that change while it waits are known to the run once the node says so", async () => {
    await waiting();
    for (const stop of stops.splice(0)) await stop();
    const { stop } = await w.startWorkers({
      ...{ ...temporal, db, chain: await w.portOf(chain) },
      decisions: { network: "DEVNET", signed: true, approvers: [approverOf(bob)], approvalsNeeded: 1 },
    });
    stops.push(stop);
    await w.runsOf(temporal, db, competition).ensureCheckpoints();
    await w.eventually(async () => {
      const history = await handle().fetchHistory();
      expect(
        history.events!.some((e) => e.workflowExecutionSignaledEventAttributes?.signalName === SIGNAL.settingsChanged),
      ).toBe(true);
    });
    await expect(update("approve", await signed(alice, "approve"))).rejects.toEqual(
      refusedWith("NotApprover", bob.address),
    );
    expect(await update("approve", await signed(bob, "approve"))).toMatchObject({
      phase: "PLANNED",
      actor: bob.address,
    });
  });
});

const refuseToSign = (): never => {
  throw new ChainError("REFUSED", "the test refuses to sign");
};
const OTHER_PLAN = {
  ...{
    crunch: "crunch",
    checkpoint: "CKP_other",
    root: "11".repeat(32),
    emissionHash: "22".repeat(32),
    logSize: 1,
    logRoot: "33".repeat(32),
  },
};

describe("what the chain shows", () => {
  test("confirm believes a finalized transaction of this checkpoint, and nothing else", async () => {
    const port = await w.portOf(chain);
    let refusing = true;
    const { stop } = await w.startWorkers({
      ...{ ...temporal, db },
      chain: { ...port, sign: async (plan, n) => (refusing ? refuseToSign() : port.sign(plan, n)) },
    });
    stops.push(stop);
    await w.runsOf(temporal, db, competition).ensureCheckpoints();
    const row = await until("BLOCKED");
    const confirm = (tx_hash: string) => update("confirm", { to: "SUBMITTED", tx_hash, actor: "ops" });
    await expect(confirm("tx123")).rejects.toEqual(refusedWith("NoEvidence", "is no transaction's signature"));
    await expect(confirm("1".repeat(64))).rejects.toEqual(refusedWith("NoEvidence", "not known to the cluster"));
    const other = await port.sign(await port.freeze(OTHER_PLAN), 1);
    await port.broadcast(other);
    await w.eventually(() =>
      expect(confirm(other.id)).rejects.toEqual(refusedWith("NoEvidence", "does not make the marker")),
    );
    await expect(update("confirm", { to: "PAID" })).rejects.toEqual(refusedWith("NotOpen", "SUBMITTED follows"));
    const own = await port.sign((await planOf(db, row.id, 0))!, 1);
    await port.broadcast(own);
    expect(await w.eventually(() => confirm(own.id))).toMatchObject({ action: "confirm", status: "SUBMITTED" });
    await expect(confirm(own.id)).rejects.toEqual(refusedWith("NotOpen", "not SUBMITTED"));
    refusing = false;
    expect((await until("PAID")).tx_hash).toBe(own.id);
  });

  test("PAID is confirmed when the last recipient has claimed, not before, and nobody waits for the next look of an hour's pace", async () => {
    let claimed = false;
    const port = claimsPort(await w.portOf(chain), db, (recipients) => (claimed ? recipients : recipients - 1));
    stops.push((await w.startWorkers({ ...temporal, db, chain: port })).stop);
    await w.runsOf(temporal, db, competition).ensureCheckpoints();
    await w.until(db, w.PERIOD, (row) => row.phase === "CLAIMABLE" && row.cause !== null);
    const confirm = () => update("confirm", { to: "PAID", actor: "dashboard" });
    await expect(update("confirm", { to: "CLAIMABLE" })).rejects.toEqual(refusedWith("NotOpen", "CLAIMABLE"));
    await expect(w.whileBehind(confirm)).rejects.toEqual(refusedWith("NoEvidence", "PAID"));
    claimed = true;
    expect(await confirm()).toMatchObject({ action: "confirm", actor: "dashboard", status: "PAID" });
    expect(await until("PAID")).toMatchObject({ status: "PAID", cause: null });
  });
});

describe("the logs", () => {
  test("of steps and decisions are append-only, for the application's own role too", async () => {
    await waiting({ signed: false, network: "LOCAL" });
    await update("approve", { actor: "ops", key: "k" });
    for (const table of ["checkpoint_transitions", "checkpoint_decisions"])
      for (const change of [`update ${table} set actor = 'x'`, `delete from ${table}`, `truncate ${table}`])
        await expect(sql.raw(change).execute(db)).rejects.toThrow("append-only");
    const role = await sql<{ role: string }>`select current_user as role`.execute(db);
    expect(role.rows[0]!.role).not.toBe("");
  });
});
