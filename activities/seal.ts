import { createHash } from "node:crypto";
import type { Recipient, Recipients } from "../chain/recipients.ts";
import type { SealedCheckpoint } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { crunchersInOrder, type PeriodSnapshot, snapshotsOfPeriod } from "../db/period-snapshots.ts";
import {
  type Contender,
  type CruncherShare,
  cruncherShares,
  type Emission,
  providerRewards,
  type Rewarded,
  rank,
  tierRewards,
} from "../domain/emission.ts";
import { checkpointId } from "../domain/ids.ts";
import type { Period } from "../domain/period.ts";
import { canonicalBytes } from "../proofs/canonical.ts";
import { fromHex, type Hash, toHex } from "../proofs/hash.ts";
import { leafHash, merkleRoot } from "../proofs/merkle.ts";

export interface SealSettings {
  /** the crunch as the chain knows it */
  crunch: string;
  direction: "asc" | "desc";
  /** wallets; empty: none */
  computeProvider: string;
  dataProvider: string;
}

/** A cruncher's share with the address it is paid to, fixed with the seal. */
interface SealedRecipient {
  cruncher_id: string;
  name: string;
  address: string;
  cruncher_index: number;
  frac64: number;
}

export interface CheckpointMeta {
  snapshot_count: number;
  model_count: number;
  ranking: {
    model_id: string;
    model_name: string;
    cruncher_id: string;
    rank: number;
    value: number;
    prediction_count: number;
    reward_frac64: number;
  }[];
  recipients: SealedRecipient[];
}

const sha256: Hash = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());
const hashOf = (value: unknown): string => toHex(sha256(canonicalBytes(value)));

/** Everything a checkpoint says about its period; reads only. The same snapshots give the same bytes. */
export async function sealOf(
  db: Database,
  recipients: Recipients,
  settings: SealSettings,
  period: Period,
): Promise<SealedCheckpoint> {
  const snapshots = (await snapshotsOfPeriod(db, period.startMs, period.endMs)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const rewarded = tierRewards(rank(contendersOf(snapshots), settings.direction));
  const shares = cruncherShares(rewarded);
  const known =
    shares.length === 0 ? new Map<string, Recipient>() : await recipients.resolve(await crunchersInOrder(db));
  const unknown = shares.filter((share) => !known.has(share.cruncherId));
  const sealed = shares.flatMap((share) => sealedRecipient(share, known.get(share.cruncherId)));
  const meta: CheckpointMeta = {
    snapshot_count: snapshots.length,
    model_count: rewarded.length,
    ranking: rewarded.map(rankingRow),
    recipients: sealed,
  };
  const leaves = snapshots.map((snapshot) => leafHash(sha256, fromHex(snapshot.content_hash)));
  const base = { id: checkpointId(period.endMs), ...period, meta, merkleRoot: toHex(merkleRoot(sha256, leaves)) };
  if (unknown.length > 0) {
    const names = unknown.map((share) => `${share.cruncherName} (${share.cruncherId})`).join(", ");
    const cause = `no recipient is known for ${names}; add them to RECIPIENTS_FILE, then retryBlocked`;
    return { ...base, phase: "BLOCKED", cause, entries: [], emission: {}, emissionHash: "" };
  }
  const emission = emissionOf(settings, sealed);
  return { ...base, phase: "SEALED", cause: null, entries: [emission], emission, emissionHash: hashOf(emission) };
}

/** Mean over the period, weighted by predictions; what a correction replaces is taken out again. Who has nothing left that counts is left out. */
export function contendersOf(snapshots: readonly PeriodSnapshot[]): Contender[] {
  const contenders = [...Map.groupBy(snapshots, (s) => s.model_id)].map(([modelId, own]) => {
    let [sum, count] = [0, 0];
    for (const s of own) {
      if (s.value !== null) [sum, count] = [sum + s.value * s.prediction_count, count + s.prediction_count];
      if (s.superseded_value !== null)
        [sum, count] = [sum - s.superseded_value * s.superseded_count!, count - s.superseded_count!];
    }
    const { model_name, cruncher_id, cruncher_name } = own[0]!;
    return {
      modelId,
      modelName: model_name,
      cruncherId: cruncher_id,
      cruncherName: cruncher_name,
      value: sum / count,
      predictionCount: count,
    };
  });
  return contenders.filter((c) => c.predictionCount > 0);
}

const emissionOf = (settings: SealSettings, recipients: readonly SealedRecipient[]): Emission => ({
  crunch: settings.crunch,
  cruncher_rewards: recipients.map((r) => ({ cruncher_index: r.cruncher_index, reward_pct: r.frac64 })),
  compute_provider_rewards: providerRewards(settings.computeProvider),
  data_provider_rewards: providerRewards(settings.dataProvider),
});

const sealedRecipient = ({ cruncherId, frac64 }: CruncherShare, recipient: Recipient | undefined): SealedRecipient[] =>
  recipient
    ? [
        {
          cruncher_id: cruncherId,
          name: recipient.name,
          address: recipient.address,
          cruncher_index: recipient.cruncherIndex,
          frac64,
        },
      ]
    : [];

const rankingRow = (model: Rewarded): CheckpointMeta["ranking"][number] => ({
  ...{ model_id: model.modelId, model_name: model.modelName, cruncher_id: model.cruncherId, rank: model.rank },
  ...{ value: model.value, prediction_count: model.predictionCount, reward_frac64: model.frac64 },
});

const SHOWN_MODELS = 20;

/** The emission as a table in Markdown, for the Temporal UI. */
export function emissionTable({ ranking, snapshot_count, model_count }: CheckpointMeta): string {
  const rows = ranking.slice(0, SHOWN_MODELS).map((m) => {
    const share = `${(m.reward_frac64 / 1e7).toFixed(4)} %`;
    return `| ${m.rank} | ${m.model_name} | ${m.cruncher_id} | ${m.value} | ${m.prediction_count} | ${share} |`;
  });
  const head = ["| rank | model | cruncher | value | predictions | share |", "|---|---|---|---|---|---|"];
  return [
    `${model_count} models, ${snapshot_count} snapshots`,
    "",
    ...(rows.length > 0 ? [...head, ...rows] : ["A quiet period: nobody is paid."]),
  ].join("\n");
}
