import type {
  Competition,
  MarketRecord,
  Resolution,
  ResolveRequest,
  Scope,
  SourceRecords,
} from "../competitions/competition.ts";
import type { RoundRow } from "../db/rounds.ts";
import type { Market } from "./market.ts";

/** Another source of the contract's `truthSources`. */
export interface TruthSource {
  market: Market;
  /** what this source calls a subject of the first one */
  subjectOf: (subject: string) => string;
}

export interface TruthDeps {
  competition: Competition;
  market: Market;
  others?: readonly TruthSource[];
  now: () => number;
}

/** Sources are all waited for during this share of the time that a truth may take; after it, more than half of them are enough. */
const ALL_SOURCES_SHARE = 0.5;
const MOST_TEXT = 500;

/** Asks the contract what reality answered to a round, with the records of its sources and how complete they are. */
export async function resolutionOf(deps: TruthDeps, round: RoundRow): Promise<Resolution<unknown>> {
  const { competition, market } = deps;
  const scope = round.scope_jsonb as Scope;
  const [dueMs, resolveAtMs] = [round.due_at.getTime(), round.resolve_at.getTime()];
  const nowMs = deps.now();
  const settlesMs = resolveAtMs + (competition.publishDelayMs ?? 0);
  if (nowMs < settlesMs) return { wait: `the truth is settled at ${new Date(settlesMs).toISOString()}` };
  const { subject } = scope;
  const [first, ...others] = await Promise.all([
    recordsOf(market, subject, market.granularityMs, round),
    ...(deps.others ?? []).map((o) => recordsOf(o.market, o.subjectOf(subject), market.granularityMs, round)),
  ]);
  const mixed = [first, ...others].find((s) => s.records.some((r) => r.subject !== s.subject));
  if (mixed) return { unresolvable: `${mixed.source} has records of other subjects among those of ${mixed.subject}` };
  const { maxDeviation } = competition.truthSources ?? {};
  const { stalenessFraction } = competition;
  return asked(competition, {
    ...{ scope, dueMs, resolveAtMs, granularityMs: market.granularityMs },
    ...first,
    ...(stalenessFraction === undefined ? {} : { stalenessFraction }),
    ...(others.length > 0 ? { others } : {}),
    ...(maxDeviation === undefined ? {} : { maxDeviation }),
    majorityIsEnough: nowMs >= settlesMs + ALL_SOURCES_SHARE * (round.give_up_at.getTime() - settlesMs),
  });
}

/** A resolver that raises is asked again until the round's give-up time, like one that waits; then the round says why. */
async function asked(competition: Competition, request: ResolveRequest): Promise<Resolution<unknown>> {
  try {
    const resolution = await competition.resolveTruth(request);
    const isOne = ["resolved", "wait", "unresolvable"].some((name) => Object.hasOwn(Object(resolution), name));
    return isOne ? resolution : { wait: "the resolver gave neither a truth nor a reason" };
  } catch (error) {
    return { wait: `the resolver raised ${String(error)}`.slice(0, MOST_TEXT) };
  }
}

/** Completeness is asked before the records: what it says is known is among them. */
async function recordsOf(
  market: Market,
  subject: string,
  marginMs: number,
  round: RoundRow,
): Promise<SourceRecords & { subject: string; records: readonly MarketRecord[] }> {
  const fromMs = round.due_at.getTime() - Math.max(marginMs, market.granularityMs);
  const coverage = await market.coverage(subject, fromMs);
  const records = await market.between(subject, fromMs, round.resolve_at.getTime());
  return { source: market.source, subject, ...coverage, records };
}
