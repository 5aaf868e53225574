import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
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

/** What a collection needs to know of its round: the row as it was written. */
export interface CollectJob {
  roundId: string;
  scopeKey: string;
  scope: Scope;
  dueMs: number;
  deadlineMs: number;
  resolveAtMs: number;
}

/** Collects each round once: whoever asks while it runs joins it; whoever asks afterwards is told what was stored. */
export interface Collector {
  collect(roundId: string, signal?: AbortSignal): Promise<CollectResult>;
  /** the same for whoever has just written the row, and need not read it */
  begin(job: CollectJob): Promise<CollectResult>;
}

export function createCollector(deps: CollectorDeps): Collector {
  const running = new Map<string, Promise<CollectResult>>();
  const join = (roundId: string, work: () => Promise<CollectResult>): Promise<CollectResult> => {
    const joined = running.get(roundId) ?? work().finally(() => running.delete(roundId));
    running.set(roundId, joined);
    return joined;
  };
  return {
    collect: (roundId, signal) => join(roundId, () => collectStored(deps, roundId, signal)),
    begin: (job) => join(job.roundId, () => collectRound(deps, job)),
  };
}

async function collectStored(deps: CollectorDeps, roundId: string, signal?: AbortSignal): Promise<CollectResult> {
  const round = await roundById(deps.db, roundId);
  if (!round) throw new Error(`no row for ${roundId}: a round is stored before it is collected`);
  return round.status === "COLLECTING" ? collectRound(deps, jobOf(round), signal) : stored(round);
}

export const jobOf = (round: RoundRow): CollectJob => ({
  roundId: round.id,
  scopeKey: round.scope_key,
  scope: round.scope_jsonb as Scope,
  dueMs: round.due_at.getTime(),
  deadlineMs: round.deadline_at.getTime(),
  resolveAtMs: round.resolve_at.getTime(),
});

const stored = (round: RoundRow): CollectResult => ({
  status: round.status,
  counts: { ...NO_COUNTS, ...round.counts_jsonb },
});

async function collectRound(deps: CollectorDeps, job: CollectJob, signal?: AbortSignal): Promise<CollectResult> {
  const now = deps.now ?? Date.now;
  if (now() >= job.deadlineMs) return storeMissed(deps.db, job, "its deadline had passed when the collection began");
  const records = await recordsFor(deps.market, job);
  if (records.length === 0) return storeMissed(deps.db, job, "the feed had no data at the due time");
  return performRound(deps, job, records, signal);
}

async function recordsFor(market: Market, { scope, dueMs }: CollectJob): Promise<MarketRecord[]> {
  const held = market.asOf(scope.subject, dueMs);
  return held.length > 0 ? held : market.asOfStored(scope.subject, dueMs);
}

async function performRound(
  deps: CollectorDeps,
  job: CollectJob,
  records: readonly MarketRecord[],
  signal?: AbortSignal,
): Promise<CollectResult> {
  const { db, fleet } = deps;
  const now = deps.now ?? Date.now;
  const { competition } = deps.competition;
  const input = competition.buildInput(job.scope.subject, job.dueMs, records);
  const calls = [tickCall(competition, job.scope.subject, input, records.at(-1)!), predictCall(competition, job.scope)];
  const answering = fleet.callAll({
    calls,
    roundId: job.roundId,
    deadlineMs: Math.max(1, job.deadlineMs - now()),
    ...(signal ? { signal } : {}),
  });
  const models = runningModels(db);
  const hash = setImmediate().then(() => createHash("sha256").update(canonicalText(input)).digest("hex")); // while models think
  const judged = judgeAll(deps, await answering, await models);
  const counts = countOf(judged);
  const first = await storeCollected(db, {
    ...job,
    configId: `CFG_${job.scopeKey}`,
    input: { data: input, hash: await hash },
    performedAtMs: now(),
    predictions: [...judged].map(([modelId, j]) => rowOf(job.roundId, modelId, j)),
    counts,
  });
  deps.log.info({ round_id: job.roundId, ...counts, first }, "round collected");
  if (first) return { status: "WAITING", counts };
  const row = await roundById(db, job.roundId);
  return row ? stored(row) : { status: "COLLECTING", counts };
}

/** One verdict per model: those that were asked, and those that should have been. */
function judgeAll(
  deps: CollectorDeps,
  answers: ReadonlyMap<string, readonly CallResult[]>,
  models: readonly { id: string; deployment_identifier: string }[],
): Map<string, Judged> {
  const judged = new Map<string, Judged>();
  for (const [modelId, results] of answers) {
    const last = results.at(-1);
    if (!last) continue;
    deps.onResult?.(last);
    judged.set(modelId, judge(deps.competition.competition, last));
  }
  for (const model of models)
    if (!judged.has(model.id)) judged.set(model.id, notConnected(model.deployment_identifier));
  return judged;
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

export const predictCall = (competition: Competition, scope: Scope): FleetCall => ({
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

const rowOf = (roundId: string, modelId: string, j: Judged): NewPrediction => ({
  id: predictionId(roundId, modelId),
  modelId,
  deploymentId: j.deploymentId,
  status: j.status,
  reason: j.reason,
  execTimeUs: j.execTimeUs,
  output: j.output,
  meta: {},
});
