import { createHash } from "node:crypto";
import type { Logger } from "pino";
import type { CallArgument, Competition, MarketRecord, Scope } from "../competitions/competition.ts";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Database } from "../db/database.ts";
import { runningModels } from "../db/deployments.ts";
import { type NewPrediction, storeCollected } from "../db/predictions.ts";
import { type RoundRow, roundById } from "../db/rounds.ts";
import { predictionId } from "../domain/ids.ts";
import { type CollectCounts, NO_COUNTS } from "../domain/round.ts";
import type { CallResult, FleetCall } from "../models/client/fleet.ts";
import type { FleetClient } from "../models/client/fleet-client.ts";
import { canonicalText } from "../proofs/canonical.ts";
import { type Judged, judge } from "./judge.ts";
import type { Market } from "./market.ts";
import { storeMissed } from "./missed.ts";

export interface CollectResult {
  status: string;
  counts: CollectCounts;
}

export interface CollectorDeps {
  db: Database;
  fleet: FleetClient;
  market: Market;
  competition: LoadedCompetition;
  log: Logger;
  now?: () => number;
  /** how long each model took, µs, with its result: for metrics */
  onResult?: (result: CallResult) => void;
}

/** Collects each round once: whoever asks while it runs joins it; whoever asks afterwards is told what was stored. */
export interface Collector {
  collect(roundId: string, signal?: AbortSignal): Promise<CollectResult>;
}

export function createCollector(deps: CollectorDeps): Collector {
  const running = new Map<string, Promise<CollectResult>>();
  return {
    collect: (roundId, signal) => {
      const joined = running.get(roundId) ?? collectRound(deps, roundId, signal).finally(() => running.delete(roundId));
      running.set(roundId, joined);
      return joined;
    },
  };
}

async function collectRound(deps: CollectorDeps, roundId: string, signal?: AbortSignal): Promise<CollectResult> {
  const round = await roundById(deps.db, roundId);
  if (!round) throw new Error(`no row for ${roundId}: a round is stored before it is collected`);
  if (round.status !== "COLLECTING") return stored(round);
  const now = deps.now ?? Date.now;
  if (now() >= round.deadline_at.getTime())
    return storeMissed(deps.db, round, "its deadline had passed when the collection began");
  const records = await recordsFor(deps.market, round);
  if (records.length === 0) return storeMissed(deps.db, round, "the feed had no data at the due time");
  return performRound(deps, round, records, signal);
}

const stored = (round: RoundRow): CollectResult => ({
  status: round.status,
  counts: { ...NO_COUNTS, ...round.counts_jsonb },
});

async function recordsFor(market: Market, round: RoundRow): Promise<MarketRecord[]> {
  const { subject } = round.scope_jsonb as Scope;
  const dueMs = round.due_at.getTime();
  const held = market.asOf(subject, dueMs);
  return held.length > 0 ? held : market.asOfStored(subject, dueMs);
}

async function performRound(
  deps: CollectorDeps,
  round: RoundRow,
  records: readonly MarketRecord[],
  signal?: AbortSignal,
): Promise<CollectResult> {
  const {
    db,
    fleet,
    competition: { competition },
  } = deps;
  const now = deps.now ?? Date.now;
  const scope = round.scope_jsonb as Scope;
  const input = competition.buildInput(scope.subject, round.due_at.getTime(), records);
  const calls = [tickCall(competition, scope.subject, input, records.at(-1)!), predictCall(competition, scope)];
  const deadlineMs = Math.max(1, round.deadline_at.getTime() - now());
  const [answers, models] = await Promise.all([
    fleet.callAll({ calls, deadlineMs, ...(signal ? { signal } : {}) }),
    runningModels(db),
  ]);
  const performedAtMs = now();
  const judged = new Map<string, Judged>();
  for (const [modelId, results] of answers) {
    const last = results.at(-1);
    if (!last) continue;
    deps.onResult?.(last);
    judged.set(modelId, judge(competition, last));
  }
  for (const model of models)
    if (!judged.has(model.id)) judged.set(model.id, notConnected(model.deployment_identifier));
  const counts = countOf(judged);
  const predictions = [...judged].map(([modelId, j]) => rowOf(round.id, modelId, j, performedAtMs));
  const first = await storeCollected(db, {
    roundId: round.id,
    scopeKey: round.scope_key,
    scope,
    configId: `CFG_${round.scope_key}`,
    dueMs: round.due_at.getTime(),
    resolveAtMs: round.resolve_at.getTime(),
    input: { data: input, hash: createHash("sha256").update(canonicalText(input)).digest("hex") },
    predictions,
    counts,
  });
  deps.log.info({ round_id: round.id, ...counts, first }, "round collected");
  return first ? { status: "WAITING", counts } : stored((await roundById(db, round.id)) ?? round);
}

/** The key lets a model that has this record already, from another round, be spared a second delivery. */
export const tickCall = (
  competition: Competition,
  subject: string,
  input: unknown,
  newest: MarketRecord,
): FleetCall => ({
  method: competition.tickMethod,
  args: [{ type: "JSON", value: input }],
  key: `${subject}/${newest.tsEvent}`,
});

const VARIANT: Record<CallArgument["type"], "STRING" | "INT" | "DOUBLE" | "JSON"> = {
  STRING: "STRING",
  INT: "INT",
  FLOAT: "DOUBLE",
  JSON: "JSON",
};

const predictCall = (competition: Competition, scope: Scope): FleetCall => ({
  method: competition.call.method,
  args: competition.call.args.map(({ name, type }) => ({ type: VARIANT[type], value: scope[name] ?? null })),
});

const notConnected = (deploymentId: string): Judged => ({
  status: "ABSENT",
  reason: "the model was not connected",
  deploymentId,
  execTimeUs: 0,
  output: null,
  outcome: "absent",
});

const countOf = (judged: ReadonlyMap<string, Judged>): CollectCounts => {
  const outcomes = [...judged.values()].map((j) => j.outcome);
  const count = (outcome: Judged["outcome"]): number => outcomes.filter((o) => o === outcome).length;
  const counts = {
    answered: count("answered"),
    failed: count("failed"),
    timed_out: count("timed_out"),
    absent: count("absent"),
  };
  return { called: counts.answered + counts.failed + counts.timed_out, ...counts };
};

const rowOf = (roundId: string, modelId: string, j: Judged, performedAtMs: number): NewPrediction => ({
  id: predictionId(roundId, modelId),
  modelId,
  deploymentId: j.deploymentId,
  status: j.status,
  reason: j.reason,
  execTimeUs: j.execTimeUs,
  output: j.output,
  meta: {},
  performedAtMs,
});
