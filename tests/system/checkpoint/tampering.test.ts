import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../../activities/sha256.ts";
import { checkpointLog } from "../../../db/checkpoint-log.ts";
import { chainProblem } from "../../../proofs/inclusion-chain.ts";
import { type CheckpointRecord, recordHex, valueHash } from "../../../proofs/records.ts";
import { MINUTE_MS, T0 } from "../scoring/world.ts";
import { CHECKPOINT, PERIOD_MS, PREDICTION, provenNode, SNAPSHOT } from "./proofs-world.ts";

const node = provenNode();
const { get } = node;

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
    const { db } = node.world;
    const [first] = await checkpointLog(db);
    const record = { ...(first!.record_jsonb as unknown as CheckpointRecord), emission_hash: "00".repeat(32) };
    const leaf = recordHex(sha256, record);
    const repaired = { record_jsonb: JSON.stringify(record), leaf_hash: leaf, tree_root: leaf };
    await node.owning(() =>
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
    await node.owning(() =>
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
  const found = await chainProblem(answer.body, node.trusted);
  if (found !== null) return found;
  const { emission_hash, ranking_hash } = answer.body.checkpoint.record;
  const emission = (await get(`/reports/checkpoints/${CHECKPOINT}/emission`)).body;
  if (valueHash(sha256, emission) !== emission_hash) return "the emission is not the one that was sealed";
  const { meta } = (await get(`/reports/checkpoints/${CHECKPOINT}`)).body;
  if (valueHash(sha256, meta.ranking) !== ranking_hash) return "the ranking is not the one that was sealed";
  return "nothing";
}

async function tamper(table: string, column: string, where: string): Promise<() => Promise<void>> {
  const { db } = node.world;
  const [row] = (
    await sql<{ value: string; type: string }>`
      select ${sql.ref(column)}::text as value, pg_typeof(${sql.ref(column)})::text as type from ${sql.table(table)} where ${sql.raw(where)}`.execute(
      db,
    )
  ).rows;
  const put = (value: string) =>
    node.owning(() =>
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
