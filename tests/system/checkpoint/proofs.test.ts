import { createPublicKey, verify as ed25519 } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { logCheckpoint } from "../../../activities/checkpoint-log.ts";
import { createNoteActivities } from "../../../activities/note.ts";
import { sealOf } from "../../../activities/seal.ts";
import { sha256 } from "../../../activities/sha256.ts";
import type { App } from "../../../api/deps.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import { checkpointLog, storeNote } from "../../../db/checkpoint-log.ts";
import { insertSealed } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { voidRounds } from "../../../db/voids.ts";
import { verifyPeerPath } from "../../../domain/compat/merkle.ts";
import { checkpointId, predictionId, roundId, snapshotId } from "../../../domain/ids.ts";
import { publicReason } from "../../../domain/public-reason.ts";
import { fromHex } from "../../../proofs/hash.ts";
import { chainProblem, type InclusionChain } from "../../../proofs/inclusion-chain.ts";
import { verifyConsistency } from "../../../proofs/merkle.ts";
import { logName, openNote, type SignatureCheck } from "../../../proofs/note.ts";
import { type CheckpointRecord, recordHex, valueHash } from "../../../proofs/records.ts";
import { noteSigner } from "../../../workers/note-signer.ts";
import { serverOn } from "../api/world.ts";
import { MINUTE_MS, type ScoringWorld, scoringWorld, T0, testCompetition } from "../scoring/world.ts";
import { quiet, submitter } from "./workers.ts";

const MODELS = ["a", "b", "c"];
const CRUNCH = "crunch";
/** Two periods of two windows; what happened in the first one is proved. */
const PERIOD_MS = 2 * MINUTE_MS;
const LAST = T0 + 2 * PERIOD_MS;
/** Due time of a round that is voided after its window counted it. */
const VOIDED_MS = T0 + PERIOD_MS + 10_000;
const PREDICTION = predictionId(roundId({ competition: "scoring", scopeKey: "X-20", dueMs: T0 }), "a");
const SNAPSHOT = snapshotId("a", T0 + MINUTE_MS, 0);
const CHECKPOINT = checkpointId(T0 + PERIOD_MS);

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const verify: SignatureCheck = (key, message, signature) =>
  ed25519(null, message, createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" }), signature);

let world: ScoringWorld;
let app: App;
let trusted: { hash: typeof sha256; verify: SignatureCheck; publicKey: Uint8Array };

/** Everybody answers but c, who fails with words that are its own, and b, who is absent at times. */
const answers = (model: string, i: number) => {
  if (model === "c" && i % 3 === 0) return "FAILED" as const;
  if (model === "b" && i % 4 === 1) return "ABSENT" as const;
  return { value: Math.sin(i + model.charCodeAt(0)) / 7 };
};

beforeAll(async () => {
  const ensembles = [{ name: "mean", strategy: "equal_weight" as const }];
  world = await scoringWorld(testCompetition({ ensembles }));
  const { db } = world;
  const plan = { models: MODELS, from: 0, count: 24, everyMs: 10_000, answers };
  const rounds = await world.collect(plan);
  await sql`update predictions set reason = 'MODEL_FAILED: The model raised an exception: my secret alpha' where status = 'FAILED'`.execute(
    db,
  );
  for (const id of rounds) {
    await world.resolveTruth(id);
    await world.scoreRound(id);
  }
  const build = (i: number) => world.build(T0 + i * MINUTE_MS, T0 + (i + 1) * MINUTE_MS);
  await build(0);
  await sql`update scores set leaf_hash = null where window_end is null`.execute(db); // as an older version left them
  await build(1);
  await build(2);
  const voided = { fromMs: VOIDED_MS, toMs: VOIDED_MS + 1, scopeKey: null, actor: "operator", reason: "a test" };
  await voidRounds(db, voided);
  await build(3);
  const signer = noteSigner(await submitter());
  for (const endMs of [T0 + PERIOD_MS, LAST]) await seal(db, endMs, signer);
  app = await serverOn(db, LAST + MINUTE_MS, { apiKey: "a-key-of-the-operator" });
  trusted = { hash: sha256, verify, publicKey: signer.publicKey };
}, 120_000);
afterAll(async () => {
  await app?.close();
  await world?.[Symbol.asyncDispose]();
});

async function seal(db: Database, endMs: number, signer: ReturnType<typeof noteSigner>): Promise<void> {
  const contract = testCompetition();
  const settings = { crunch: CRUNCH, contract, computeProvider: "", dataProvider: "" };
  const sealed = await sealOf(db, localRegistry, settings, { startMs: endMs - PERIOD_MS, endMs });
  await db.transaction().execute(async (tx) => {
    await insertSealed(tx, sealed, { actor: "node", cause: "test" });
    await logCheckpoint(tx, sealed.record!);
  });
  await createNoteActivities({ db, signer, log: quiet }).signNote({ id: sealed.id });
}

const get = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await app.inject({ url, headers });
  return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: parsed(answer.body) };
};
const parsed = (text: string) => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
const proofOf = async (prediction: string): Promise<InclusionChain> =>
  (await get(`/v1/predictions/${encodeURIComponent(prediction)}/proof`)).body;

describe("proofs", () => {
  test("of every score lead to the signed note, whoever made it and whatever became of it", async () => {
    const { rows } = await sql<{ prediction_id: string; due_at: Date; success: boolean; held: boolean; leaf: boolean }>`
      select prediction_id, due_at, success, window_end is not null as held, leaf_hash is not null as leaf from scores`.execute(
      world.db,
    );
    expect(rows.length).toBe(24 * 3 + 16); // the ensemble has no weights in the first minute
    expect(rows.filter((r) => !r.success).length).toBeGreaterThan(10);
    for (const { prediction_id, due_at, held, leaf } of rows) {
      const isOpen = due_at.getTime() + 20_000 >= LAST || due_at.getTime() === VOIDED_MS;
      expect([prediction_id, held, leaf || isOpen]).toEqual([prediction_id, !isOpen, true]);
      const answer = await get(`/v1/predictions/${encodeURIComponent(prediction_id)}/proof`);
      expect(answer.status).toBe(held ? 200 : 409);
      if (!held) continue;
      expect(await chainProblem(answer.body, trusted), prediction_id).toBeNull();
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
    expect(await chainProblem(before, trusted)).toBeNull();
    expect([before.snapshot.record.scores, proof.snapshot.record.scores]).toEqual([6, 5]);
  });
  test("hold no word of a model, and the database says so as the node does", async () => {
    const { rows } = await sql<{ prediction_id: string; reason: string; masked: string }>`
      select prediction_id, s.failed_reason as reason, public_reason(s.failed_reason) as masked from scores s where s.failed_reason like 'MODEL_FAILED%'`.execute(
      world.db,
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
      world.db,
    );
    expect(said.map((s) => s.masked)).toEqual(samples.map((s) => publicReason(s)));
  });
  test("of a snapshot and of a checkpoint hold, too, and sealed ones are cached for ever", async () => {
    const answer = await get(`/v1/checkpoints/${CHECKPOINT}/proofs?snapshot_id=${SNAPSHOT}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-control"]).toContain("immutable");
    expect(await chainProblem(answer.body.proof, trusted)).toBeNull();
    expect(answer.body.cycles.map((c: { id: string }) => c.id)).toEqual([
      `CYC_${T0 + MINUTE_MS}`,
      `CYC_${T0 + PERIOD_MS}`,
    ]);
    expect((await get(`/v1/snapshots/${SNAPSHOT}/proof`)).body).toEqual(answer.body.proof);
    expect((await get("/v1/checkpoints/latest/proofs")).body.record.id).toBe(checkpointId(LAST));
  });
  test("what is not there is said, and nothing of an unscored prediction", async () => {
    const [open] = await world.collect({ models: ["a"], from: 1_000, count: 1, everyMs: 10_000, answers });
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
    const head = await openNote(text.text, { name: logName(CRUNCH), publicKey: trusted.publicKey }, trusted);
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
    const { db } = world;
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
    const { db } = world;
    const [first, last] = await checkpointLog(db);
    const sign = async () =>
      createNoteActivities({ db, signer: noteSigner(await submitter()), log: quiet }).signNote({
        id: last!.checkpoint_id,
      });
    const put = (idx: number, change: object) =>
      owning(() =>
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
    const snapshots = await world.db.selectFrom("snapshots").select(["id", "window_end"]).execute();
    expect(snapshots.length).toBeGreaterThan(12);
    for (const { id, window_end } of snapshots) {
      const proof = (await get(`/reports/merkle/proof?snapshot_id=${id}`)).body;
      expect(proof.cycle_id).toBe(`CYC_${window_end.getTime()}`);
      expect(verifyPeerPath(sha256, proof.snapshot_content_hash, proof.path, proof.cycle_root)).toBe(true);
      expect(proof.cycle_root).toBe(cycles.find((c: { id: string }) => c.id === proof.cycle_id).chained_root);
    }
  });
});

/** One character of a stored value, put in by somebody who owns the database; what is said of it afterwards. */
const TAMPERED: [table: string, column: string, where: string, problem: RegExp][] = [
  ["predictions", "inference_output_jsonb", `id = '${PREDICTION}'`, /^the score's record has the hash/],
  ["inputs", "hash", "id = (select input_id from rounds order by due_at limit 1)", /^the score's record has the hash/],
  ["rounds", "scope_key", `due_at = to_timestamp(${T0 / 1000})`, /^the score's record has the hash/],
  ["rounds", "scope_jsonb", `due_at = to_timestamp(${T0 / 1000})`, /^the score's record has the hash/],
  [
    "truths",
    "result_jsonb",
    "round_id = (select id from rounds order by due_at limit 1)",
    /^the score's record has the hash/,
  ],
  ["scores", "value", `prediction_id = '${PREDICTION}'`, /^the score's record has the hash/],
  ["scores", "result_jsonb", `prediction_id = '${PREDICTION}'`, /^the score's record has the hash/],
  ["scores", "deployment_id", `prediction_id = '${PREDICTION}'`, /^the score's record has the hash/],
  ["scores", "scorer_hash", `prediction_id = '${PREDICTION}'`, /^the score's record has the hash/],
  ["scores", "leaf_hash", `prediction_id = '${PREDICTION}'`, /^409 .*no snapshot holds the score/],
  ["snapshots", "result_summary_jsonb", `id = '${SNAPSHOT}'`, /^the snapshot's record has the hash/],
  ["snapshots", "prediction_count", `id = '${SNAPSHOT}'`, /^the snapshot's record has the hash/],
  ["snapshots", "scores_root", `id = '${SNAPSHOT}'`, /^the snapshot's record has the hash/],
  ["snapshots", "content_hash", `id = '${SNAPSHOT}'`, /^the snapshot's record has the hash/],
  ["snapshots", "leaf_hashes", `id = '${SNAPSHOT}'`, /^score in snapshot: the path leads elsewhere/],
  ["snapshots", "content_hash", `id = 'SNAP_b_${T0 + MINUTE_MS}'`, /^snapshot in cycle: the path leads elsewhere/],
  ["merkle_cycles", "snapshots_root", `id = 'CYC_${T0 + MINUTE_MS}'`, /^the cycle's record has the hash/],
  ["merkle_cycles", "chained_root", `id = 'CYC_${T0 + MINUTE_MS}'`, /^the cycle's record has the hash/],
  ["merkle_cycles", "chained_root", `id = 'CYC_${T0 + PERIOD_MS}'`, /^cycle in checkpoint: the path leads elsewhere/],
  ["checkpoint_log", "record_jsonb", "idx = 0", /^the checkpoint's record has the hash/],
  ["checkpoint_log", "leaf_hash", "idx = 0", /^the checkpoint's record has the hash/],
  ["checkpoint_log", "tree_root", "idx = 0", /^checkpoint in log: the path leads elsewhere/],
  ["checkpoint_log", "note", "idx = 0", /^(the signature|the note|the tree head|a signature)/],
  ["checkpoints", "emission_jsonb", `id = '${CHECKPOINT}'`, /^the emission is not the one that was sealed/],
  ["checkpoints", "meta_jsonb", `id = '${CHECKPOINT}'`, /^the ranking is not the one that was sealed/],
];

describe("R16: one changed character in the database", () => {
  test("nothing is wrong before", async () => expect(await problem()).toBe("nothing"));
  test.each(TAMPERED)("%s.%s where %s", async (table, column, where, expected) => {
    const undo = await tamper(table, column, where);
    try {
      expect(await problem()).toMatch(expected);
    } finally {
      await undo();
    }
    expect(await problem()).toBe("nothing");
  });
  test("an owner who repairs all hashes above still has no signature, and the log does not begin as it did", async () => {
    const { db } = world;
    const [first] = await checkpointLog(db);
    const record = { ...(first!.record_jsonb as unknown as CheckpointRecord), emission_hash: "00".repeat(32) };
    const leaf = recordHex(sha256, record);
    const repaired = { record_jsonb: JSON.stringify(record), leaf_hash: leaf, tree_root: leaf };
    await owning(() =>
      db
        .updateTable("checkpoint_log")
        .set(repaired as never)
        .where("idx", "=", 0)
        .execute(),
    );
    expect(await problem()).toMatch(/^the note is of a log of 1 with the root/);
    const growth = (await get("/v1/log/consistency?from=1")).body;
    expect(growth.from_root).not.toBe(first!.tree_root); // what an auditor has seen before
    const back = {
      record_jsonb: JSON.stringify(first!.record_jsonb),
      leaf_hash: first!.leaf_hash,
      tree_root: first!.tree_root,
    };
    await owning(() =>
      db
        .updateTable("checkpoint_log")
        .set(back as never)
        .where("idx", "=", 0)
        .execute(),
    );
  });
});

/** All that an auditor checks of one prediction, and of the checkpoint that pays for it. */
async function problem(): Promise<string> {
  const answer = await get(`/v1/predictions/${encodeURIComponent(PREDICTION)}/proof`);
  if (answer.status !== 200) return `${answer.status} ${answer.body.detail}`;
  const found = await chainProblem(answer.body, trusted);
  if (found !== null) return found;
  const { emission_hash, ranking_hash } = answer.body.checkpoint.record;
  const emission = (await get(`/reports/checkpoints/${CHECKPOINT}/emission`)).body;
  if (valueHash(sha256, emission) !== emission_hash) return "the emission is not the one that was sealed";
  const { meta } = (await get(`/reports/checkpoints/${CHECKPOINT}`)).body;
  if (valueHash(sha256, meta.ranking) !== ranking_hash) return "the ranking is not the one that was sealed";
  return "nothing";
}

async function tamper(table: string, column: string, where: string): Promise<() => Promise<void>> {
  const { db } = world;
  const [row] = (
    await sql<{ value: string; type: string }>`
      select ${sql.ref(column)}::text as value, pg_typeof(${sql.ref(column)})::text as type from ${sql.table(table)} where ${sql.raw(where)}`.execute(
      db,
    )
  ).rows;
  const put = (value: string) =>
    owning(() =>
      sql`update ${sql.table(table)} set ${sql.ref(column)} = ${value}::text::${sql.raw(row!.type)} where ${sql.raw(where)}`.execute(
        db,
      ),
    );
  await put(changed(row!.value, column));
  return async () => void (await put(row!.value));
}

/** Another digit, or another letter of a text that has none; of a ranking, one of its numbers. */
function changed(value: string, column: string): string {
  if (column === "leaf_hashes") return value.slice(0, -1) + (value.endsWith("1") ? "2" : "1"); // not the one that is asked for
  const from = column === "meta_jsonb" ? value.indexOf('"prediction_count": ', value.indexOf('"ranking"')) : 0;
  const at =
    from +
    value
      .slice(from)
      .search(column.endsWith("jsonb") || column === "value" ? /[0-9](?=[^"]*$|[,}\].0-9])/ : /[0-9a-f](?=[^x]*$)/);
  if (at < from) return value.replace(/[A-Za-z](?="\s*[,}])/, (letter) => (letter === "z" ? "y" : "z"));
  const other = value[at] === "1" ? "2" : "1";
  return value.slice(0, at) + other + value.slice(at + 1);
}

/** As the owner of the database: triggers do not hold him. */
async function owning<T>(act: () => Promise<T>): Promise<T> {
  await sql`alter table checkpoint_log disable trigger all`.execute(world.db);
  try {
    return await act();
  } finally {
    await sql`alter table checkpoint_log enable trigger all`.execute(world.db);
  }
}
