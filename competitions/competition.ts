import type { z } from "zod";

/** One record of a feed as competitions see it: times in epoch ms. */
export interface MarketRecord {
  subject: string;
  /** when the record begins (a candle's open), epoch ms */
  tsEvent: number;
  /** when the record is final: open + granularity for a candle, tsEvent for ticks, epoch ms */
  tsFinal: number;
  values: Record<string, number>;
  /** records of different segments do not follow each other in reality (the seam of a replay loop) */
  segment: string;
}

export interface Scope {
  subject: string;
  [name: string]: string | number | boolean;
}

/** Which rounds happen: every `everyMs` on the clock, resolved `resolveAfterMs` after the due time. */
export interface ScheduledScope {
  scopeKey: string;
  scope: Scope;
  everyMs: number;
  /** shifts all due times of this scope, ms */
  phaseMs?: number;
  resolveAfterMs: number;
  /** a truth that has not come this long after it was due never will: UNRESOLVABLE */
  giveUpAfterMs: number;
}

export interface CallArgument {
  name: string;
  type: "STRING" | "INT" | "FLOAT" | "JSON";
}

interface PredictionCall {
  method: string;
  /** values come from the round's scope, in this order */
  args: readonly CallArgument[];
}

export type Resolution<Truth> =
  | { resolved: Truth; evidence: Record<string, unknown> }
  | { wait: string }
  | { unresolvable: string };

export interface ResolveRequest {
  scope: Scope;
  dueMs: number;
  resolveAtMs: number;
  granularityMs: number;
  /** every record final at or before this instant has been stored, epoch ms */
  knownUntilMs: number;
  /** records of the subject around and between both instants, ascending */
  records: readonly MarketRecord[];
}

/** What a scorer says of one prediction; `value` is the number that is aggregated. */
export type ScoreResult = { value: number } & Record<string, number | boolean | string>;

/** Treatment of a prediction that is not there: worst of the round, a fixed value, or left out (participation floor). */
export type MissingPolicy = { kind: "worst-of-round" } | { kind: "fixed"; value: number } | { kind: "excluded" };

export interface LeaderboardWindow {
  name: string;
  hours: number;
}

export interface Ranking {
  /** a window's or a metric's name, or `overall` */
  key: string;
  direction: "asc" | "desc";
}

/** Whom a round calls: everybody, the best `n` and everybody each k-th round, or a list of model ids. Who is not called is neither ABSENT nor scored. */
export type Callees =
  | { kind: "all" }
  | { kind: "top"; n: number; everybodyEach: number }
  | { kind: "list"; models: readonly string[] };

/** What a new deployment does to a model's standing: keep = goes on; reset = its windows begin anew; split = each deployment has a standing of its own. */
export type DeploymentPolicy = "keep" | "reset" | "split";

export type EnsembleFilter = { kind: "top_n"; n: number } | { kind: "min_metric"; metric: string; threshold: number };

/** A virtual model `__ensemble_<name>__` made of members' outputs, scored against the same truth, never paid. */
export interface EnsembleRule {
  name: string;
  strategy: "equal_weight" | "inverse_variance";
  filter?: EnsembleFilter;
}

/** How a feed subject is called where models see it. */
export type SubjectNames = Readonly<Record<string, string>>;

export interface Competition<Input = unknown, Output = unknown, Truth = unknown> {
  id: string;
  title: string;
  schedule(subjects: readonly string[]): readonly ScheduledScope[];
  input: z.ZodType<Input>;
  output: z.ZodType<Output>;
  truth: z.ZodType<Truth>;
  tickMethod: string;
  call: PredictionCall;
  /** feed subject → name that models see (BTCUSDT → BTC); absent: as the feed names it */
  subjectNames?: SubjectNames;
  /** whom a round calls; absent: everybody */
  callees?: Callees;
  /** absent: keep */
  onNewDeployment?: DeploymentPolicy;
  /** scored rounds during which a newcomer is marked provisional; absent: 0 */
  provisionalRounds?: number;
  buildInput(subject: string, asOfMs: number, records: readonly MarketRecord[]): Input;
  resolveTruth(request: ResolveRequest): Resolution<Truth>;
  /** larger is better unless the ranking says asc */
  score(prediction: Output, truth: Truth): ScoreResult;
  /** the pair of numbers that metrics compare; null: this competition has no such pair */
  pair(prediction: Output, truth: Truth): { predicted: number; actual: number } | null;
  missing: { ABSENT: MissingPolicy; TIMEOUT: MissingPolicy; FAILED: MissingPolicy };
  metrics: readonly string[];
  windows: readonly LeaderboardWindow[];
  /** weights of windows in `overall`; absent: equal */
  overall?: Readonly<Record<string, number>>;
  ranking: Ranking;
  /** share of its rounds a model must have answered to be ranked before those that did not; absent: 0 */
  participationFloor?: number;
  ensembles?: readonly EnsembleRule[];
  /** results of one model's scores in a scoring window → its snapshot's summary; absent: mean of each numeric field */
  aggregateSnapshot?(
    results: readonly Readonly<Record<string, unknown>>[],
  ): Record<string, number | string | boolean | null>;
  /** answers as the public crunch-node gives them, faults included: constant metrics, ties by position, `candles_1m` at any granularity */
  compat?: "crunch-node";
}
