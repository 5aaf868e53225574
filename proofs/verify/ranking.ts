import { firstDifference } from "../../domain/difference.ts";
import { rewardsOf } from "../../domain/emission/rule.ts";
import { cruncherShares, FRAC64, type Rewarded, rank } from "../../domain/emission.ts";
import type { PeriodMeans } from "../../domain/period-means.ts";
import { canonicalText } from "../canonical.ts";
import type { Hash } from "../hash.ts";
import { type CheckpointRecord, type CheckpointTerms, valueHash } from "../records.ts";
import { Difference, type Place } from "./difference.ts";
import { aCount, aHash, aList, anObject, aText, aTime, exactly, type Fields, same } from "./shape.ts";

const PLACE: Place = { file: "checkpoint.json", record: "" };
const RECORD_FIELDS = [
  ...["type", "id", "crunch", "period_start", "period_end", "root", "cycles", "snapshots", "contract_hashes"],
  ...["ranking_hash", "terms_hash", "emission_hash"],
];

/** checkpoint.json: the record that is in the log, and what its hashes stand for. */
export interface BundledCheckpoint {
  record: CheckpointRecord;
  ranking: readonly Fields[];
  terms: CheckpointTerms;
  emission: Fields;
}

/** Reads it and holds ranking, terms and emission against the record's hashes. */
export function readCheckpoint(hash: Hash, value: unknown): BundledCheckpoint {
  const given = exactly(PLACE, "", value, ["record", "ranking", "terms", "emission"]);
  const record = exactly(PLACE, "record", given.record, RECORD_FIELDS);
  same(PLACE, "record.type", "checkpoint/1", record.type);
  for (const name of ["id", "crunch"]) aText(PLACE, `record.${name}`, record[name]);
  for (const name of ["period_start", "period_end"]) aTime(PLACE, `record.${name}`, record[name]);
  for (const name of ["cycles", "snapshots"]) aCount(PLACE, `record.${name}`, record[name]);
  for (const name of ["root", "ranking_hash", "terms_hash", "emission_hash"])
    aHash(PLACE, `record.${name}`, record[name]);
  for (const [i, each] of aList(PLACE, "record.contract_hashes", record.contract_hashes).entries())
    aHash(PLACE, `record.contract_hashes[${i}]`, each);
  const ranking = aList(PLACE, "ranking", given.ranking).map((row, i) => anObject(PLACE, `ranking[${i}]`, row));
  const terms = exactly(PLACE, "terms", given.terms, ["field", "direction", "rule", "recipients"]);
  const emission = anObject(PLACE, "emission", given.emission);
  same(PLACE, "record.ranking_hash", valueHash(hash, ranking), record.ranking_hash);
  same(PLACE, "record.terms_hash", valueHash(hash, terms), record.terms_hash);
  same(PLACE, "record.emission_hash", valueHash(hash, emission), record.emission_hash);
  return {
    ...{ record: record as unknown as CheckpointRecord, ranking, emission },
    terms: terms as unknown as CheckpointTerms,
  };
}

/** What the ranking calls a model and whom it belongs to; models that are not ranked have no name here. */
export function namesIn(ranking: readonly Fields[]) {
  const rows = new Map(ranking.map((row) => [row.model_id, row]));
  return (modelId: string) => {
    const row = rows.get(modelId);
    const text = (name: string): string => String(row?.[name] ?? "");
    return { model_name: text("model_name"), cruncher_id: text("cruncher_id"), cruncher_name: text("cruncher_name") };
  };
}

/** Ranks the period's means again, shares out again, and compares every row of the ranking, every recipient and the emission. */
export function checkRanking({ ranking, terms, emission, record }: BundledCheckpoint, means: PeriodMeans): void {
  const rewarded = rewardsOf(terms.rule, rank(means.contenders(terms.field), terms.direction));
  compare("ranking", rewarded.map(rankingRow), ranking);
  const shares = cruncherShares(rewarded).map(({ cruncherId, cruncherName, frac64 }) => ({
    cruncherId,
    cruncherName,
    frac64,
  }));
  compare(
    "terms.recipients",
    shares.map(({ cruncherId, frac64 }) => ({ cruncher_id: cruncherId, frac64 })),
    terms.recipients.map(({ cruncher_id, frac64 }) => ({ cruncher_id, frac64 })),
  );
  const indexes = terms.recipients.map((r) => r.cruncher_index);
  same(PLACE, "terms.recipients: indexes", new Set(indexes).size, indexes.length);
  checkEmission(emission, record.crunch, terms);
}

function checkEmission(given: Fields, crunch: string, { recipients }: CheckpointTerms): void {
  const emission = exactly(PLACE, "emission", given, [
    ...["crunch", "cruncher_rewards", "compute_provider_rewards", "data_provider_rewards"],
  ]);
  same(PLACE, "emission.crunch", crunch, emission.crunch);
  const rewards = recipients.map((r) => ({ cruncher_index: r.cruncher_index, reward_pct: r.frac64 }));
  compare("emission.cruncher_rewards", rewards, emission.cruncher_rewards);
  for (const name of ["cruncher_rewards", "compute_provider_rewards", "data_provider_rewards"]) {
    const all = aList(PLACE, `emission.${name}`, emission[name]);
    const sum = all.reduce<bigint>(
      (total, each, i) =>
        total + BigInt(aCount(PLACE, `emission.${name}[${i}].reward_pct`, (each as Fields).reward_pct)),
      0n,
    );
    if (sum !== (all.length === 0 ? 0n : FRAC64)) throw new Difference(PLACE, `emission.${name}`, FRAC64, sum);
  }
}

const rankingRow = (model: Rewarded) => ({
  ...{ model_id: model.modelId, model_name: model.modelName },
  ...{ cruncher_id: model.cruncherId, cruncher_name: model.cruncherName, rank: model.rank, value: model.value },
  ...{ prediction_count: model.predictionCount, snapshot_count: model.snapshotCount, result_summary: model.summary },
  reward_frac64: model.frac64,
});

function compare(field: string, expected: unknown, found: unknown): void {
  if (canonicalText(expected) === canonicalText(found)) return;
  const first = firstDifference(found, expected);
  const at = first && first.field !== "" ? `${field}[${first.field.replace(/^(\d+)\.?/, "$1].")}` : field;
  throw new Difference(PLACE, at.replace(/\.$/, ""), first?.recomputed ?? expected, first?.stored ?? found);
}
