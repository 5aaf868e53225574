import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { logCheckpoint } from "../../../activities/checkpoint-log.ts";
import { createNoteActivities } from "../../../activities/note.ts";
import { sha256 } from "../../../activities/sha256.ts";
import { checkpointLog, storeNote } from "../../../db/checkpoint-log.ts";
import { verifyPeerPath } from "../../../domain/compat/merkle.ts";
import { checkpointId, predictionId, roundId, snapshotId } from "../../../domain/ids.ts";
import { publicReason } from "../../../domain/public-reason.ts";
import { fromHex } from "../../../proofs/hash.ts";
import { chainProblem } from "../../../proofs/inclusion-chain.ts";
import { verifyConsistency } from "../../../proofs/merkle.ts";
import { logName, openNote } from "../../../proofs/note.ts";
import type { CheckpointRecord } from "../../../proofs/records.ts";
import { noteSigner } from "../../../workers/note-signer.ts";
import { MINUTE_MS, T0 } from "../scoring/world.ts";
import { answers, CHECKPOINT, CRUNCH, LAST, PERIOD_MS, provenNode, SNAPSHOT, VOIDED_MS } from "./proofs-world.ts";
import { quiet, submitter } from "./workers.ts";

const node = provenNode();
const { get, proofOf } = node;

describe("proofs", () => {
  test("of every score lead to the signed note, whoever made it and whatever became of it", async () => {
    const { rows } = await sql<{ prediction_id: string; due_at: Date; success: boolean; held: boolean; leaf: boolean }>`
      select prediction_id, due_at, success, window_end is not null as held, leaf_hash is not null as leaf from scores`.execute(
      node.world.db,
    );
    expect(rows.length).toBe(24 * 3 + 16); // the ensemble has no weights in the first minute
    expect(rows.filter((r) => !r.success).length).toBeGreaterThan(10);
    for (const { prediction_id, due_at, held, leaf } of rows) {
      const isOpen = due_at.getTime() + 20_000 >= LAST || due_at.getTime() === VOIDED_MS;
      expect([prediction_id, held, leaf || isOpen]).toEqual([prediction_id, !isOpen, true]);
      const answer = await get(`/v1/predictions/${encodeURIComponent(prediction_id)}/proof`);
      expect(answer.status).toBe(held ? 200 : 409);
      if (!held) continue;
      expect(await chainProblem(answer.body, node.trusted), prediction_id).toBeNull();
      expect(answer.body.steps.map((s: { leaf: string }) => s.leaf)).toEqual([
        "score",
        "snapshot",
        "cycle",
        "checkpoint",
      ]);
    }
  });
  test("of a window that was corrected lead through the correction, and the first snapshot keeps its own", async () => {
    const beside = predictionId(roundId({ competition: "scoring", scopeKey: "X-20", dueMs: VOIDED_MS + 10_000 }), "a");
    const proof = await proofOf(beside);
    const [first, second] = [0, 1].map((revision) => snapshotId("a", T0 + 3 * MINUTE_MS, revision));
    expect(proof.snapshot.record).toMatchObject({ id: second, supersedes: first });
    const before = (await get(`/v1/snapshots/${first}/proof`)).body;
    expect(await chainProblem(before, node.trusted)).toBeNull();
    expect([before.snapshot.record.scores, proof.snapshot.record.scores]).toEqual([6, 5]);
  });
  test("hold no word of a model, and the database says so as the node does", async () => {
    const { rows } = await sql<{ prediction_id: string; reason: string; masked: string }>`
      select prediction_id, s.failed_reason as reason, public_reason(s.failed_reason) as masked from scores s where s.failed_reason like 'MODEL_FAILED%'`.execute(
      node.world.db,
    );
    expect(rows.length).toBeGreaterThan(3);
    for (const { prediction_id, reason, masked } of rows) {
      expect(reason).toContain("secret");
      expect(masked).toBe(publicReason(reason));
      const text = JSON.stringify(await proofOf(prediction_id));
      expect(text).toContain('"MODEL_FAILED"');
      expect(text).not.toContain("secret");
    }
    const samples = [
      ...["MODEL_FAILED: DIED: it said secret", "MODEL_FAILED: DIEDx", "MODEL_FAILED: DIED_: x", "MODEL_FAILED: DIEDé"],
      ...[
        "UNKNOWN",
        "PREVIOUS_CALL_FAILED: tick: MODEL_FAILED: x",
        "DEADLINE_EXCEEDED: no answer",
        "",
        "a\nMODEL_FAILED: x",
      ],
    ];
    const { rows: said } = await sql<{ masked: string }>`
      select public_reason(t) as masked from unnest(${samples}::text[]) with ordinality u(t, i) order by i`.execute(
      node.world.db,
    );
    expect(said.map((s) => s.masked)).toEqual(samples.map((s) => publicReason(s)));
  });
  test("of a snapshot and of a checkpoint hold, too, and sealed ones are cached for ever", async () => {
    const answer = await get(`/v1/checkpoints/${CHECKPOINT}/proofs?snapshot_id=${SNAPSHOT}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-control"]).toContain("immutable");
    expect(await chainProblem(answer.body.proof, node.trusted)).toBeNull();
    expect(answer.body.cycles.map((c: { id: string }) => c.id)).toEqual([
      `CYC_${T0 + MINUTE_MS}`,
      `CYC_${T0 + PERIOD_MS}`,
    ]);
    expect((await get(`/v1/snapshots/${SNAPSHOT}/proof`)).body).toEqual(answer.body.proof);
    expect((await get("/v1/checkpoints/latest/proofs")).body.record.id).toBe(checkpointId(LAST));
  });
  test("what is not there is said, and nothing of an unscored prediction", async () => {
    const [open] = await node.world.collect({ models: ["a"], from: 1_000, count: 1, everyMs: 10_000, answers });
    const unscored = predictionId(open!, "a");
    const cases: [string, number, string][] = [
      [`/v1/predictions/${encodeURIComponent(unscored)}/proof`, 404, "is not scored"],
      ["/v1/predictions/nonsense/proof", 404, "is not scored"],
      ["/v1/snapshots/none/proof", 404, "no snapshot none"],
      ["/v1/checkpoints/CKP_none/proofs", 404, "not in the log"],
      [`/v1/checkpoints/${checkpointId(LAST)}/proofs?snapshot_id=${SNAPSHOT}`, 404, "is not in"],
      ["/v1/log/consistency?from=3", 404, "the signed log has 2 checkpoints"],
      ["/v1/log/consistency?from=0", 400, "from"],
      ["/v1/log/consistency?from=1e99", 400, "from"],
      ["/reports/merkle/proof?snapshot_id=none", 404, "no snapshot none"],
      ["/reports/merkle/cycles/none", 404, "no cycle none"],
    ];
    for (const [url, status, says] of cases) {
      const answer = await get(url);
      expect([url, answer.status]).toEqual([url, status]);
      expect(answer.text).toContain(says);
    }
  });
});

describe("the log", () => {
  test("its head is a signed note, as text and as JSON, and grew from the one before", async () => {
    const { body } = await get("/v1/log");
    const text = await get("/v1/log", { accept: "text/plain" });
    expect([text.headers["content-type"], text.text]).toEqual(["text/plain; charset=utf-8", body.note]);
    const head = await openNote(text.text, { name: logName(CRUNCH), publicKey: node.trusted.publicKey }, node.trusted);
    expect(head).toMatchObject({
      size: 2,
      extensions: [`checkpoint ${checkpointId(LAST)}`, expect.any(String), expect.any(String)],
    });
    const growth = (await get("/v1/log/consistency?from=1")).body;
    const first = (await get(`/v1/checkpoints/${CHECKPOINT}/proofs`)).body.log;
    expect(growth).toMatchObject({ from: 1, to: 2, from_root: first.root, to_root: body.root });
    const proof = { first: 1, second: 2, path: growth.path.map(fromHex) };
    const roots = { firstRoot: fromHex(first.root), secondRoot: fromHex(body.root) };
    expect(verifyConsistency(sha256, { ...proof, ...roots })).toBe(true);
  });
  test("refuses every change but the first note, and what seals at once is appended in one order", async () => {
    const { db } = node.world;
    for (const change of [
      sql`update checkpoint_log set note = 'other'`,
      sql`update checkpoint_log set tree_root = 'other'`,
      sql`update checkpoint_log set note = null`,
      sql`delete from checkpoint_log`,
      sql`truncate checkpoint_log cascade`,
    ])
      await expect(change.execute(db)).rejects.toThrow(/append-only/);
    await storeNote(db, CHECKPOINT, "other"); // finds it signed
    const before = await checkpointLog(db);
    const record = before[0]!.record_jsonb as unknown as CheckpointRecord;
    const again = await Promise.all(
      Array.from({ length: 4 }, () => db.transaction().execute((tx) => logCheckpoint(tx, record))),
    );
    expect(again.map((entry) => entry.idx)).toEqual([0, 0, 0, 0]);
    expect(await checkpointLog(db)).toEqual(before);
  });
  test("a log that was changed is not signed", async () => {
    const { db } = node.world;
    const [first, last] = await checkpointLog(db);
    const sign = async () =>
      createNoteActivities({ db, signer: noteSigner(await submitter()), log: quiet }).signNote({
        id: last!.checkpoint_id,
      });
    const put = (idx: number, change: object) =>
      node.owning(() =>
        db
          .updateTable("checkpoint_log")
          .set(change as never)
          .where("idx", "=", idx)
          .execute(),
      );
    await put(1, { note: null });
    await put(0, { leaf_hash: "00".repeat(32) });
    await expect(sign()).rejects.toThrow(`entry 0 of checkpoint_log (${CHECKPOINT}) does not give its root`);
    await put(0, { leaf_hash: first!.leaf_hash });
    expect(await sign()).toEqual({ size: 2, root: last!.tree_root });
    expect(await checkpointLog(db)).toEqual([first, last]); // the same note again
  });
});

describe("as the public node shows cycles", () => {
  test("the chain holds, and every path leads to the returned root, in all cycles", async () => {
    const cycles = (await get("/reports/merkle/cycles")).body;
    expect(cycles).toHaveLength(4);
    for (const [i, cycle] of cycles.entries()) {
      const before = cycles[i + 1];
      expect([cycle.previous_cycle_id, cycle.previous_cycle_root]).toEqual([
        before?.id ?? null,
        before?.chained_root ?? null,
      ]);
      expect((await get(`/reports/merkle/cycles/${cycle.id}`)).body).toEqual(cycle);
    }
    expect((await get("/reports/merkle/cycles?limit=1")).body).toEqual(cycles.slice(0, 1));
    const snapshots = await node.world.db.selectFrom("snapshots").select(["id", "window_end"]).execute();
    expect(snapshots.length).toBeGreaterThan(12);
    for (const { id, window_end } of snapshots) {
      const proof = (await get(`/reports/merkle/proof?snapshot_id=${id}`)).body;
      expect(proof.cycle_id).toBe(`CYC_${window_end.getTime()}`);
      expect(verifyPeerPath(sha256, proof.snapshot_content_hash, proof.path, proof.cycle_root)).toBe(true);
      expect(proof.cycle_root).toBe(cycles.find((c: { id: string }) => c.id === proof.cycle_id).chained_root);
    }
  });
});
