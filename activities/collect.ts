import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Logger } from "pino";
import type { MarketRecord, Scope } from "../competitions/competition.ts";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Database } from "../db/database.ts";
import { provisionalModels, runningModels } from "../db/deployments.ts";
import { storeCollected } from "../db/predictions.ts";
import { type RoundRow, roundById } from "../db/rounds.ts";
import { type CollectCounts, NO_COUNTS } from "../domain/round.ts";
import type { CallResult, FleetCall } from "../models/client/fleet.ts";
import type { FleetClient } from "../models/client/fleet-client.ts";
import { canonicalText } from "../proofs/canonical.ts";
import { inputFor, predictCall, tickCall } from "./calls.ts";
import type { Market } from "./market.ts";
import { storeMissed } from "./missed.ts";
import { newcomerRule } from "./newcomers.ts";
import { countOf, judgeAll, rowOf } from "./verdicts.ts";

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
  /** ids of the models that it calls; null: everybody */
  callees: readonly string[] | null;
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
  callees: round.callees_jsonb,
});

const stored = (round: RoundRow): CollectResult => ({
  status: round.status,
  counts: { ...NO_COUNTS, ...round.counts_jsonb },
});

async function collectRound(deps: CollectorDeps, job: CollectJob, signal?: AbortSignal): Promise<CollectResult> {
  const now = deps.now ?? Date.now;
  if (now() >= job.deadlineMs) return storeMissed(deps.db, job, "its deadline had passed when the collection began");
  const records = await deps.market.windowAt(job.scope.subject, job.dueMs);
  if (records.length === 0) return storeMissed(deps.db, job, "the feed had no data at the due time");
  const built = await buildInput(deps, job, records);
  if ("raised" in built) return storeMissed(deps.db, job, `the input builder raised ${built.raised}`);
  return performRound(deps, job, { records, input: built.input }, signal);
}

/** A builder in a process of its own may have lost it: it is asked twice. */
async function buildInput(
  { competition: { competition }, log }: CollectorDeps,
  { roundId, scope, dueMs }: CollectJob,
  records: readonly MarketRecord[],
): Promise<{ input: unknown } | { raised: string }> {
  const once = async () => inputFor(competition, scope.subject, dueMs, records);
  try {
    return { input: await once().catch(once) };
  } catch (error) {
    log.error({ round_id: roundId, error: String(error) }, "the input cannot be built");
    return { raised: String(error).slice(0, MOST_TEXT) };
  }
}
const MOST_TEXT = 300;

async function performRound(
  deps: CollectorDeps,
  job: CollectJob,
  { records, input }: { records: readonly MarketRecord[]; input: unknown },
  signal?: AbortSignal,
): Promise<CollectResult> {
  const { db, fleet } = deps;
  const now = deps.now ?? Date.now;
  const { competition } = deps.competition;
  const tick = tickCall(competition, job.scope.subject, input, records.at(-1)!);
  const answering = fleet.callAll({
    calls: [tick, predictCall(competition, job.scope)],
    roundId: job.roundId,
    deadlineMs: Math.max(1, job.deadlineMs - now()),
    ...(job.callees ? { models: knownOf(fleet, job.callees, true) } : {}),
    ...(signal ? { signal } : {}),
  });
  const known = Promise.all([runningModels(db), provisionalModels(db, newcomerRule(competition))]); // while models think
  known.catch(() => undefined); // it is awaited below: a database that is away meanwhile must not end the process
  const hash = setImmediate().then(() => createHash("sha256").update(canonicalText(input)).digest("hex"));
  const answers = await answering;
  const [models, newcomers] = await known;
  const last = new Map([...answers].map(([modelId, results]) => [modelId, results.at(-1)]));
  for (const result of last.values()) if (result) deps.onResult?.(result);
  const judged = await judgeAll(deps.competition, job, last, models);
  const counts = countOf(judged);
  const provisional = new Set(newcomers);
  const first = await storeCollected(db, {
    ...job,
    configId: `CFG_${job.scopeKey}`,
    input: { data: input, hash: await hash },
    performedAtMs: now(),
    predictions: [...judged].map(([modelId, j]) => rowOf(job.roundId, modelId, j, provisional.has(modelId))),
    counts,
  });
  deps.log.info({ round_id: job.roundId, ...counts, first }, "round collected");
  if (job.callees) tickOthers(deps, job, tick);
  if (first) return { status: "WAITING", counts };
  const row = await roundById(db, job.roundId);
  return row ? stored(row) : { status: "COLLECTING", counts };
}

/** Models that the client knows, in the list or outside of it. */
const knownOf = (fleet: FleetClient, list: readonly string[], inside: boolean): string[] => {
  const listed = new Set(list);
  return fleet.models().flatMap((m) => (listed.has(m.modelId) === inside ? [m.modelId] : []));
};

/** Who is not asked this time follows the market all the same: its next question is not asked on old news. */
function tickOthers({ fleet, log }: CollectorDeps, job: CollectJob, tick: FleetCall): void {
  fleet
    .callAll({
      calls: [tick],
      models: knownOf(fleet, job.callees ?? [], false),
      deadlineMs: job.deadlineMs - job.dueMs,
    })
    .catch((error: unknown) => log.warn({ error: String(error) }, "models that a round does not call got no tick"));
}
