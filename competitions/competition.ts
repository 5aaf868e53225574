import type { z } from "zod";
import type { EmissionWeights } from "../domain/emission/custom.ts";
import type { EmissionRule } from "../domain/emission/rule.ts";

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

/** Records of one source around and between the instants of a round, and how complete they are. */
export interface SourceRecords {
  source: string;
  /** ascending; all of one subject */
  records: readonly MarketRecord[];
  /** every record final at or before this instant has been stored, epoch ms */
  knownUntilMs: number;
  /** the newest record was final at this instant; absent: knownUntilMs. Later than that where a hole is still being filled */
  deliveredUntilMs?: number;
  /** holes that are still being filled: records that begin in [fromMs, untilMs) may come, epoch ms */
  openGaps?: readonly { fromMs: number; untilMs: number }[];
}

export interface ResolveRequest extends Omit<SourceRecords, "source"> {
  scope: Scope;
  dueMs: number;
  resolveAtMs: number;
  granularityMs: number;
  /** a price may be at most this share of the horizon older than the instant it stands for; absent: 0.2 */
  stalenessFraction?: number;
  /** name of the first source, for the evidence */
  source?: string;
  /** the same subject as the contract's other truth sources say it */
  others?: readonly SourceRecords[];
  /** prices further than this share from the median of all sources are outliers; absent: 0.005 */
  maxDeviation?: number;
  /** from now on a majority of the sources is enough; before, all are waited for */
  majorityIsEnough?: boolean;
}

/** What a scorer says of one prediction; `value` is the number that is aggregated. */
export type ScoreResult = { value: number } & Record<string, number | boolean | string>;

/** Treatment of a prediction that is not there: worst of the round, a fixed value, or left out (participation floor). */
export type MissingPolicy = { kind: "worst-of-round" } | { kind: "fixed"; value: number } | { kind: "excluded" };

interface LeaderboardWindow {
  name: string;
  hours: number;
}

interface Ranking {
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

type EnsembleFilter = { kind: "top_n"; n: number } | { kind: "min_metric"; metric: string; threshold: number };

/** A virtual model `__ensemble_<name>__` made of members' outputs, scored against the same truth, never paid. */
export interface EnsembleRule {
  name: string;
  strategy: "equal_weight" | "inverse_variance";
  filter?: EnsembleFilter;
}

export type SnapshotSummary = Record<string, number | string | boolean | null>;

/** A model as a ranker of its own sees it: windows, `overall` and metrics by name. */
export interface RankableModel {
  modelId: string;
  metrics: Readonly<Record<string, number | null>>;
  predictionCount: number;
  newcomer: boolean;
}
/** Every model exactly once. */
export type RankOrder = readonly (string | readonly string[])[];

/** A ranked model of a checkpoint's period as a contract's own emission sees it, best first. */
export interface PayableModel {
  modelId: string;
  cruncherId: string;
  /** from 1; equal values share a rank */
  rank: number;
  /** mean of the ranked value over the period, weighted by predictions */
  value: number;
  predictionCount: number;
  /** means of all numbers of its snapshots, metrics included */
  summary: Readonly<Record<string, number>>;
}

/** Whose prices a truth is the median of: the node's first source and these. */
interface TruthSources {
  sources: readonly string[];
  /** relative to the median; absent: 0.005 */
  maxDeviation?: number;
}

/**
 * Each feature of a tournament round is one call: an argument named `features` (JSON) gets the whole feature, any other its field of that
 * name, or round_id or feature_index.
 */
interface TournamentRule {
  /** all models must have answered all features of a round by then, ms after it was posted; absent: 10 minutes */
  deadlineMs?: number;
}

/** Outputs that differ clearly, and truths that they are scored against. */
export interface Samples<Output, Truth> {
  outputs?: readonly Output[];
  truths?: readonly Truth[];
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
  buildInput(subject: string, asOfMs: number, records: readonly MarketRecord[]): Input | Promise<Input>;
  /** rounds whose due time lies in a hole of the feed are voided before their truth is looked for; absent: false */
  voidOnGap?: boolean;
  /** rounds may be posted with features of their own, their truth following later; absent: there are none */
  tournament?: TournamentRule;
  /** refuses by throwing what the schema cannot say, or gives back the output that counts; absent: the schema decides */
  validateOutput?(output: Output, scope: Scope): Output;
  resolveTruth(request: ResolveRequest): Resolution<Truth> | Promise<Resolution<Truth>>;
  /** a truth is settled when its closing record is final and this has passed, so that late records are in; absent: 0 */
  publishDelayMs?: number;
  /** see ResolveRequest; absent: 0.2 */
  stalenessFraction?: number;
  /** more sources that say the same subjects (FEED_SOURCE names them after the first); absent: the first alone is believed */
  truthSources?: TruthSources;
  /** larger is better unless the ranking says asc; the node scores through `LoadedCompetition.scorer`, which may be Python's */
  score(prediction: Output, truth: Truth): ScoreResult;
  /** a scorer that says the same of everything is meant so; absent: it is refused at the start */
  allowConstantScorer?: boolean;
  /** what the dry run tries where the schemas alone give nothing useful */
  samples?: Samples<Output, Truth> | ((scope: Scope) => Samples<Output, Truth>);
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
  aggregateSnapshot?(results: readonly Readonly<Record<string, unknown>>[]): SnapshotSummary | Promise<SnapshotSummary>;
  /** the order of the leaderboard, best first, models of equal rank together in a list; absent: by `ranking` */
  rankModels?(rows: readonly RankableModel[]): RankOrder | Promise<RankOrder>;
  /** who gets how much of a checkpoint's emission; absent: tiers of 35, four of 10 and five of 5 percent */
  emission?: EmissionRule;
  /** instead: a weight for each ranked model, of which exact shares are made; asked once, when a period with ranked models is sealed */
  buildEmission?(ranking: readonly PayableModel[]): EmissionWeights | Promise<EmissionWeights>;
  /** what hub pages show, as GET /reports/schema gives it; absent: made from windows and metrics */
  leaderboardColumns?: readonly unknown[];
  metricsWidgets?: readonly unknown[];
  /** answers as the public crunch-node gives them, faults included: constant metrics, ties by position, `candles_1m` at any granularity */
  compat?: "crunch-node";
}
