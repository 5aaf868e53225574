import type { Recipients } from "../chain/recipients.ts";
import type { Competition } from "../competitions/competition.ts";
import { rewardsByContract } from "../competitions/emission.ts";
import type { SealedCheckpoint } from "../db/checkpoints.ts";
import { cyclesOfPeriod } from "../db/cycles.ts";
import type { Database } from "../db/database.ts";
import { contractHashesOfPeriod, snapshotsOfPeriod } from "../db/period-snapshots.ts";
import { EmissionRefused } from "../domain/emission/custom.ts";
import type { SealedRule } from "../domain/emission/rule.ts";
import {
  cruncherShares,
  type Emission,
  providerRewards,
  type Ranked,
  type Rewarded,
  rank,
} from "../domain/emission.ts";
import { checkpointId } from "../domain/ids.ts";
import type { Period } from "../domain/period.ts";
import { PeriodMeans } from "../domain/period-means.ts";
import { rankedField } from "../domain/ranked-field.ts";
import { fromHex, toHex } from "../proofs/hash.ts";
import { merkleRoot } from "../proofs/merkle.ts";
import { type CheckpointRecord, type CheckpointTerms, valueHash } from "../proofs/records.ts";
import { recipientsOf, type SealedRecipient } from "./seal-recipients.ts";
import { sha256 } from "./sha256.ts";

export interface SealSettings {
  /** the crunch as the chain knows it */
  crunch: string;
  /** by what it ranks, and how it shares out */
  contract: Pick<Competition, "ranking" | "windows" | "emission" | "buildEmission">;
  /** wallets; empty: none */
  computeProvider: string;
  dataProvider: string;
}

export interface CheckpointMeta {
  /** of models that may be paid */
  snapshot_count: number;
  model_count: number;
  /** field of the snapshots' summaries that ranked, and the contract's name and direction for it */
  ranked_by: { field: string; key: string; direction: "asc" | "desc" };
  ranking: {
    model_id: string;
    model_name: string;
    cruncher_id: string;
    cruncher_name: string;
    rank: number;
    value: number;
    prediction_count: number;
    snapshot_count: number;
    /** means over the period */
    result_summary: Readonly<Record<string, number>>;
    reward_frac64: number;
  }[];
  /** models that predicted and have no number to rank by: nothing is paid for them */
  unranked: { model_id: string; model_name: string; prediction_count: number }[];
  recipients: SealedRecipient[];
  /** how the shares follow from the ranking; null: the contract's own function refused */
  emission_rule: SealedRule | null;
}

/** `record`: what the log of checkpoints takes; null while BLOCKED. */
export type Seal = SealedCheckpoint & { record: CheckpointRecord | null };

/**
 * Everything a checkpoint says about its period; reads only. The same snapshots give the same bytes. BLOCKED, with the cause and what to do, where no
 * emission follows from them: nobody has what is ranked by, the contract's own emission refuses, or a recipient is not known.
 */
export async function sealOf(
  db: Database,
  recipients: Recipients,
  settings: SealSettings,
  period: Period,
): Promise<Seal> {
  const { contract } = settings;
  const { means, snapshots } = await meansOf(db, period);
  const ranked_by = { field: rankedField(contract), ...contract.ranking };
  const ranking = rank(means.contenders(ranked_by.field), ranked_by.direction);
  const { rule, rewarded, refusal } = await rewarding(contract, ranking);
  const paid = await recipientsOf(db, recipients, cruncherShares(rewarded));
  const unranked = means.without(ranked_by.field);
  const meta: CheckpointMeta = {
    ...{ snapshot_count: snapshots, model_count: rewarded.length, ranked_by },
    ...{ ranking: rewarded.map(rankingRow), unranked, recipients: paid.recipients, emission_rule: rule },
  };
  const tree = await treeOf(db, period);
  const base = { id: checkpointId(period.endMs), ...period, meta, merkleRoot: tree.root };
  const cause = nobodyRanked(meta) ?? refusal ?? paid.cause;
  if (cause !== null)
    return { ...base, phase: "BLOCKED", cause, entries: [], emission: {}, emissionHash: "", record: null };
  const emission = emissionOf(settings, paid.recipients);
  const record = await recordOf(db, period, { crunch: settings.crunch, meta, tree, emission });
  return {
    ...{ ...base, phase: "SEALED", cause: null, entries: [emission], emission },
    ...{ emissionHash: record.emission_hash, record },
  };
}

async function meansOf(db: Database, { startMs, endMs }: Period): Promise<{ means: PeriodMeans; snapshots: number }> {
  const means = new PeriodMeans();
  for await (const page of snapshotsOfPeriod(db, startMs, endMs)) for (const snapshot of page) means.add(snapshot);
  return { means, snapshots: means.snapshots };
}

/** An order in which everybody has nothing is no order: the public node paid by it. */
function nobodyRanked({ ranking, unranked, ranked_by: { field, key } }: CheckpointMeta): string | null {
  if (ranking.length > 0 || unranked.length === 0) return null;
  const asked = field === key ? key : `${field}, which the ranking key ${key} stands for`;
  return `none of the ${unranked.length} models that predicted has a number called ${asked}, in any snapshot of the period; mend ranking.key or the aggregator of the contract, restart the node, then retryBlocked`;
}

/** A contract's own function that fails is a person's matter: the ranking is kept, and nobody is given anything. */
async function rewarding(
  contract: SealSettings["contract"],
  ranking: readonly Ranked[],
): Promise<{ rule: SealedRule | null; rewarded: Rewarded[]; refusal: string | null }> {
  try {
    return { ...(await rewardsByContract(contract, ranking)), refusal: null };
  } catch (error) {
    if (!(error instanceof EmissionRefused)) throw error;
    const refusal = `${error.message}; mend the contract, restart the node, then retryBlocked`;
    return { rule: null, rewarded: ranking.map((model) => ({ ...model, frac64: 0 })), refusal };
  }
}

const emissionOf = (settings: SealSettings, recipients: readonly SealedRecipient[]): Emission => ({
  crunch: settings.crunch,
  cruncher_rewards: recipients.map((r) => ({ cruncher_index: r.cruncher_index, reward_pct: r.frac64 })),
  compute_provider_rewards: providerRewards(settings.computeProvider),
  data_provider_rewards: providerRewards(settings.dataProvider),
});

interface Tree {
  root: string;
  cycles: number;
  snapshots: number;
}

/** The tree over the cycles whose windows end in the period. */
async function treeOf(db: Database, { startMs, endMs }: Period): Promise<Tree> {
  const cycles = await cyclesOfPeriod(db, { start: new Date(startMs), end: new Date(endMs) });
  const leaves = cycles.map((cycle) => fromHex(cycle.chained_root));
  return {
    root: toHex(merkleRoot(sha256, leaves)),
    cycles: cycles.length,
    snapshots: cycles.reduce((sum, cycle) => sum + cycle.snapshot_count, 0),
  };
}

interface Sealing {
  crunch: string;
  meta: CheckpointMeta;
  tree: Tree;
  emission: Emission;
}

const recordOf = async (
  db: Database,
  { startMs, endMs }: Period,
  { crunch, meta, tree, emission }: Sealing,
): Promise<CheckpointRecord> => ({
  ...{ type: "checkpoint/1", id: checkpointId(endMs), crunch },
  ...{ period_start: new Date(startMs).toISOString(), period_end: new Date(endMs).toISOString(), ...tree },
  contract_hashes: await contractHashesOfPeriod(db, startMs, endMs),
  ranking_hash: valueHash(sha256, meta.ranking),
  terms_hash: valueHash(sha256, termsOf(meta)),
  emission_hash: valueHash(sha256, emission),
});

/** How the ranking of a sealed checkpoint became its emission. */
export const termsOf = ({ ranked_by, emission_rule, recipients }: CheckpointMeta): CheckpointTerms => ({
  ...{ field: ranked_by.field, direction: ranked_by.direction, rule: emission_rule!, recipients },
});

const rankingRow = (model: Rewarded): CheckpointMeta["ranking"][number] => ({
  ...{ model_id: model.modelId, model_name: model.modelName },
  ...{ cruncher_id: model.cruncherId, cruncher_name: model.cruncherName, rank: model.rank, value: model.value },
  ...{ prediction_count: model.predictionCount, snapshot_count: model.snapshotCount, result_summary: model.summary },
  reward_frac64: model.frac64,
});
