import { rewardsOf, sealedRule } from "../../domain/emission/rule.ts";
import { cruncherShares, providerRewards, type Rewarded, rank } from "../../domain/emission.ts";
import { checkpointId, cycleId, snapshotId } from "../../domain/ids.ts";
import { PeriodMeans } from "../../domain/period-means.ts";
import { mean } from "../../domain/statistics.ts";
import { canonicalText } from "../../proofs/canonical.ts";
import { fromHex, toHex } from "../../proofs/hash.ts";
import { consistencyPath, inclusionPath, merkleRoot } from "../../proofs/merkle.ts";
import { checkpointLines, logName, noteBytes, noteKeyId, signedNote, treeHeadText } from "../../proofs/note.ts";
import {
  type CheckpointRecord,
  type CheckpointTerms,
  type CycleRecord,
  type RoundRecord,
  recordHash,
  recordHex,
  type ScoreRecord,
  type SnapshotRecord,
  valueHash,
} from "../../proofs/records.ts";
import type { Rescore } from "../../proofs/verify/rounds.ts";
import { sha256, signer, signWithKey } from "./keys.ts";

const START_MS = Date.UTC(2026, 0, 5);
const WINDOW_MS = 60_000;
const WINDOWS = 3;
const CRUNCH = "starter-challenge";
const MODELS = ["m0", "m1", "m2", "m3"];
const ENSEMBLE = "__ensemble_mean__";
const SCORER = "5".repeat(64);
const iso = (ms: number): string => new Date(ms).toISOString();

interface Round {
  record: RoundRecord;
  hash: string;
  /** by model */
  scores: Map<string, ScoreRecord>;
}

/** The manifest's word for what this is. */
export const ABOUT = { checkpoint: checkpointId(START_MS + WINDOWS * WINDOW_MS), crunch: CRUNCH };

/** The scorer of the fixture: value times truth, and the worst of the round for who is missing. */
const payoff = (output: { value: number }, truth: { profit: number }): number => output.value * truth.profit * 100;

export const rescore: Rescore = async (rounds) =>
  rounds.map(({ truth, predictions }) => {
    const profit = truth as { profit: number };
    const answered = predictions.filter((p) => p.prediction.status === "PENDING" && p.model_id !== ENSEMBLE);
    const worst = Math.min(...answered.map((p) => payoff(p.prediction.output as never, profit)));
    return predictions.map(({ prediction }) => {
      if (prediction.status !== "PENDING")
        return {
          value: worst,
          success: false,
          failed_reason: prediction.reason,
          result: { missing: prediction.status, value: worst },
        };
      const value = payoff(prediction.output as never, profit);
      return { value, success: true, failed_reason: null, result: { actual: profit.profit, value } };
    });
  });

async function roundOf(dueMs: number, contract: string): Promise<Round> {
  const i = dueMs / 20_000;
  const record: RoundRecord = {
    ...{ type: "round/1", id: `round/${CRUNCH}/BTC-30/${dueMs}`, scope_key: "BTC-30", scope: { subject: "BTC" } },
    ...{
      due_at: iso(dueMs),
      resolve_at: iso(dueMs + 30_000),
      contract_hash: contract,
      input_hash: i % 2 ? null : "1".repeat(64),
    },
    ...{
      truth: { profit: Math.sin(i) / 100, close: 1e21 + i },
      truth_evidence: { source: "réplay \u2028 😀", at: dueMs },
    },
  };
  const round = recordHex(sha256, record);
  const said = [...MODELS, ENSEMBLE].map((model_id, m) => ({
    ...{ model_id, deployment_id: `d${m}`, scorer_hash: SCORER },
    prediction:
      model_id === "m3" && i % 3 === 0
        ? { status: "TIMEOUT", reason: "no answer before the deadline", output: null }
        : { status: "PENDING", reason: null, output: { value: Math.cos(i * (m + 1)) * 10 ** (m * 3 - 5) } },
  }));
  const [scores] = await rescore([{ scope: record.scope, truth: record.truth, predictions: said }]);
  const all = said.map((s, k): [string, ScoreRecord] => [
    s.model_id,
    { type: "score/1", round, ...s, score: scores![k]! },
  ]);
  return { record, hash: round, scores: new Map(all) };
}

/** The scores of one model in some rounds, as its snapshot sums them up. */
function snapshotOf(
  modelId: string,
  endMs: number,
  rounds: readonly Round[],
  supersedes: SnapshotRecord | null,
): SnapshotRecord {
  const scores = rounds.flatMap((r) => r.scores.get(modelId) ?? []);
  const values = scores.flatMap((s) => (s.score.value === null ? [] : [s.score.value]));
  return {
    ...{
      type: "snapshot/1",
      id: snapshotId(modelId, endMs, supersedes ? supersedes.revision + 1 : 0),
      model_id: modelId,
    },
    ...{
      period_start: iso(endMs - WINDOW_MS),
      period_end: iso(endMs),
      revision: supersedes ? supersedes.revision + 1 : 0,
    },
    ...{ supersedes: supersedes?.id ?? null, prediction_count: values.length },
    result_summary: { value: mean(values), missed: scores.filter((s) => !s.score.success).length, hit_rate: 0.5 },
    scores_root: toHex(
      merkleRoot(
        sha256,
        scores.map((s) => recordHash(sha256, s)),
      ),
    ),
    scores: scores.length,
  };
}

/** What a node that signs anything might do; every hash above it is right. */
export type Lie = "none" | "score" | "summary" | "share" | "sum";

/** The files of a bundle by name, in order, as the node writes them; every rule of the format occurs in it. */
export async function bundleFiles(lie: Lie = "none"): Promise<Map<string, string>> {
  const contract = {
    sources: { "competition.ts": "export default 1;\n", "score.py": "def score(): pass\n" },
    schedule: [{ scopeKey: "BTC-30", everyMs: 20_000 }],
    callables: {},
  };
  const contractHash = valueHash(sha256, contract);
  const roundsOf = async (endMs: number): Promise<Round[]> =>
    Promise.all([0, 1, 2].map((k) => roundOf(endMs - WINDOW_MS - 20_000 + k * 20_000, contractHash)));
  // The window before the period, of which one model's score came late.
  const earlierEnd = START_MS;
  const earlier = await roundsOf(earlierEnd);
  const late = earlier.slice(0, 2);
  const earlierSnapshots = MODELS.map((m) => snapshotOf(m, earlierEnd, m === "m1" ? late : earlier, null)).sort(
    (a, b) => (a.id < b.id ? -1 : 1),
  );
  const cycles: CycleRecord[] = [];
  const cycle = (endMs: number, snapshots: readonly SnapshotRecord[]): void => {
    cycles.push({
      ...{
        type: "cycle/1",
        id: cycleId(endMs),
        window_start: iso(endMs - WINDOW_MS),
        window_end: iso(endMs),
        snapshots: snapshots.length,
      },
      snapshots_root: toHex(
        merkleRoot(
          sha256,
          snapshots.map((s) => recordHash(sha256, s)),
        ),
      ),
      previous: cycles.length === 0 ? null : recordHex(sha256, cycles.at(-1)!),
    });
  };
  cycle(earlierEnd, earlierSnapshots);
  const corrected = earlierSnapshots.find((s) => s.model_id === "m1")!;
  const rounds: Round[] = [
    ...earlier.map((r) => ({ ...r, scores: new Map([...r.scores].filter(([m]) => m === "m1")) })),
  ];
  const lines: { record: SnapshotRecord; leaves?: string[] }[] = [];
  const leavesOf = (of: readonly Round[], model: string): string[] =>
    of.map((r) => recordHex(sha256, r.scores.get(model)!));
  for (let w = 1; w <= WINDOWS; w++) {
    const endMs = START_MS + w * WINDOW_MS;
    const own = await roundsOf(endMs);
    if (lie === "score" && w === 3) own[1]!.scores.get("m0")!.score.value = 7;
    const firstLate = w === 1 ? own.slice(1) : own; // m2's first score came after its window
    const snapshots: { record: SnapshotRecord; leaves?: string[] }[] = [...MODELS, ENSEMBLE].map((m) =>
      w === 1 && m === "m2"
        ? { record: snapshotOf(m, endMs, firstLate, null), leaves: leavesOf(firstLate, m) }
        : { record: snapshotOf(m, endMs, own, null) },
    );
    if (lie === "summary" && w === 3) (snapshots[1]!.record.result_summary as { value: number }).value = 7;
    if (w === 2) {
      const first = lines.find((l) => l.record.model_id === "m2")!.record;
      const all = rounds.filter(
        (r) => r.record.resolve_at >= first.period_start && r.record.resolve_at < first.period_end,
      );
      snapshots.push({ record: snapshotOf("m2", START_MS + WINDOW_MS, all, first), leaves: leavesOf(all, "m2") });
      snapshots.push({ record: snapshotOf("m1", earlierEnd, earlier, corrected), leaves: leavesOf(earlier, "m1") });
    }
    snapshots.sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
    cycle(
      endMs,
      snapshots.map((s) => s.record),
    );
    rounds.push(...own);
    lines.push(...snapshots);
  }
  const endMs = START_MS + WINDOWS * WINDOW_MS;
  const means = new PeriodMeans();
  const byId = new Map([...earlierSnapshots, ...lines.map((l) => l.record)].map((s) => [s.id, s]));
  for (const { record } of lines) {
    if (record.model_id === ENSEMBLE) continue;
    const superseded = record.supersedes === null ? null : byId.get(record.supersedes)!;
    means.add({
      ...{
        model_id: record.model_id,
        model_name: `name of ${record.model_id}`,
        cruncher_id: `c${Number(record.model_id[1]) % 3}`,
      },
      ...{ cruncher_name: `cruncher ${Number(record.model_id[1]) % 3}`, prediction_count: record.prediction_count },
      result_summary: record.result_summary as never,
      of_earlier_period: record.period_end <= iso(START_MS),
      superseded: superseded && {
        prediction_count: superseded.prediction_count,
        result_summary: superseded.result_summary as never,
      },
    });
  }
  const rule = sealedRule();
  const rewarded = rewardsOf(rule, rank(means.contenders("value"), "desc"));
  if (lie === "share") {
    const [first, second] = rewarded as [Rewarded, Rewarded];
    [first.frac64, second.frac64] = [second.frac64, first.frac64];
  }
  if (lie === "sum") rewarded[0]!.frac64 += 1;
  const ranking = rewarded.map((r) => ({
    ...{ model_id: r.modelId, model_name: r.modelName, cruncher_id: r.cruncherId, cruncher_name: r.cruncherName },
    ...{ rank: r.rank, value: r.value, prediction_count: r.predictionCount, snapshot_count: r.snapshotCount },
    ...{ result_summary: r.summary, reward_frac64: r.frac64 },
  }));
  const terms: CheckpointTerms = {
    ...{ field: "value", direction: "desc", rule },
    recipients: cruncherShares(rewarded).map((s, i) => ({
      ...{
        cruncher_id: s.cruncherId,
        name: s.cruncherName,
        address: `wallet ${s.cruncherId}`,
        cruncher_index: 10 + i,
        frac64: s.frac64,
      },
    })),
  };
  const emission = {
    crunch: CRUNCH,
    cruncher_rewards: terms.recipients.map((r) => ({ cruncher_index: r.cruncher_index, reward_pct: r.frac64 })),
    compute_provider_rewards: providerRewards("compute wallet"),
    data_provider_rewards: providerRewards(""),
  };
  const own = cycles.slice(1);
  const record: CheckpointRecord = {
    ...{
      type: "checkpoint/1",
      id: checkpointId(endMs),
      crunch: CRUNCH,
      period_start: iso(START_MS),
      period_end: iso(endMs),
    },
    ...{
      root: toHex(
        merkleRoot(
          sha256,
          own.map((c) => recordHash(sha256, c)),
        ),
      ),
      cycles: own.length,
      snapshots: lines.length,
    },
    ...{
      contract_hashes: [contractHash],
      ranking_hash: valueHash(sha256, ranking),
      terms_hash: valueHash(sha256, terms),
    },
    emission_hash: valueHash(sha256, emission),
  };
  const leaves = [...Array.from({ length: 5 }, (_, i) => sha256(Uint8Array.of(i))), recordHash(sha256, record)];
  const root = toHex(merkleRoot(sha256, leaves));
  const name = logName(CRUNCH);
  const extensions = checkpointLines({ checkpoint: record.id, root: record.root, emission: record.emission_hash });
  const text = treeHeadText({ origin: name, size: leaves.length, root: fromHex(root), extensions });
  const note = signedNote(text, {
    name,
    keyId: noteKeyId(sha256, name, fromHex(signer)),
    signature: signWithKey(noteBytes(text)),
  });
  const log = {
    ...{ signer, index: leaves.length - 1, size: leaves.length, root, note },
    inclusion: inclusionPath(sha256, leaves, leaves.length - 1).map(toHex),
    consistency: consistencyPath(sha256, leaves, leaves.length - 1).map(toHex),
  };
  const index = earlierSnapshots.indexOf(corrected);
  const path = inclusionPath(
    sha256,
    earlierSnapshots.map((s) => recordHash(sha256, s)),
    index,
  ).map(toHex);
  rounds.sort((a, b) => a.record.due_at.localeCompare(b.record.due_at));
  const sources = Object.entries(contract.sources).map(([name, text], i) => ({
    name,
    text,
    file: `contract/${i}-${name}`,
  }));
  const ndjson = (values: readonly unknown[]): string => values.map((v) => `${canonicalText(v)}\n`).join("");
  return new Map([
    ["checkpoint.json", canonicalText({ record, ranking, terms, emission })],
    [
      "contracts.json",
      canonicalText([
        { hash: contractHash, ...contract, sources: Object.fromEntries(sources.map((s) => [s.name, s.file])) },
      ]),
    ],
    ...sources.map((s): [string, string] => [s.file, s.text]),
    ["log.json", canonicalText(log)],
    [
      "rounds.ndjson",
      ndjson(
        rounds.map((r) => ({
          record: r.record,
          scores: [...r.scores.values()].map(({ type: _, round: __, ...entry }) => entry),
        })),
      ),
    ],
    [
      "superseded.ndjson",
      ndjson([
        { record: corrected, proof: { cycle: cycleId(earlierEnd), index, size: earlierSnapshots.length, path } },
      ]),
    ],
    ["snapshots.ndjson", ndjson(lines)],
    ["cycles.ndjson", ndjson(cycles)],
  ]);
}
