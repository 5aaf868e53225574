import type { ColumnType, Generated } from "kysely";
import type { BackfillStatus } from "../domain/backfill.ts";
import type { CheckpointPhase, CheckpointStatus } from "../domain/checkpoint.ts";
import type { RankDiff, RescoreCounts, RescoreStatus } from "../domain/rescore.ts";
import type { RoundStatus } from "../domain/round.ts";
import type { TournamentStatus } from "../domain/tournament.ts";

type Json<T = Record<string, unknown>> = ColumnType<T, string, string>;
type JsonDefault<T = Record<string, unknown>> = ColumnType<T, string | undefined, string>;
type Now = ColumnType<Date, Date | undefined, Date>;

export type PredictionStatus = "PENDING" | "SCORED" | "FAILED" | "TIMEOUT" | "ABSENT" | "UNRESOLVABLE" | "VOIDED";

/** The four dimensions that name a stream of feed records. */
export interface DimensionColumns {
  source: string;
  subject: string;
  kind: string;
  granularity: string;
}

interface FeedRecords extends DimensionColumns {
  ts_event: Date;
  event_id: ColumnType<string, string | undefined, never>;
  ts_ingested: Now;
  values_jsonb: Json;
  meta_jsonb: JsonDefault;
}
interface FeedIngestionState extends DimensionColumns {
  last_event_ts: Date;
  updated_at: Now;
  meta_jsonb: JsonDefault;
}
interface FeedDays extends DimensionColumns {
  day: ColumnType<Date, string, never>;
  record_count: ColumnType<string, number, never>;
  first_ts: Date;
  last_ts: Date;
}
interface FeedGaps extends DimensionColumns {
  from_ts: Date;
  until_ts: Date;
  status: "OPEN" | "FILLED" | "EMPTY";
  reason: string;
  cursor_ts: Date;
  missing: number | null;
  detected_at: Now;
  closed_at: Date | null;
}
interface FeedQuality extends DimensionColumns {
  hour: Date;
  event: string;
  count: ColumnType<string, number, number>;
  last_at: Date;
  last_detail: string;
}
export interface BackfillJobs extends DimensionColumns {
  id: string;
  start_ts: Date;
  end_ts: Date;
  cursor_ts: Date | null;
  /** day files are written up to here */
  filed_ts: ColumnType<Date | null, Date | null | undefined, Date>;
  records_written: ColumnType<string, number | undefined, number>;
  pages_fetched: ColumnType<number, number | undefined, number>;
  status: BackfillStatus;
  error: string | null;
  created_at: Now;
  updated_at: Now;
}
/** A range of rounds scored again by another scorer: its scores stand beside the present ones until somebody adopts them. */
export interface RescoreJobs {
  id: string;
  /** due times, half-open */
  from_at: Date;
  to_at: Date;
  scorer_hash: string;
  status: RescoreStatus;
  error: string | null;
  /** the last round that was scored again, in order of (due time, id) */
  cursor_at: Date | null;
  cursor_round: string | null;
  counts_jsonb: Json<RescoreCounts>;
  diff_jsonb: ColumnType<RankDiff | null, never, string>;
  actor: string;
  /** who asked for its adoption, and why */
  adopt_actor: ColumnType<string | null, never, string | null>;
  adopt_reason: ColumnType<string | null, never, string | null>;
  adopted_at: ColumnType<Date | null, never, Date>;
  created_at: Now;
  updated_at: Now;
}

interface Models {
  id: string;
  name: string;
  deployment_identifier: string;
  player_id: string;
  player_name: string;
  virtual: ColumnType<boolean, boolean | undefined, never>;
  state: ColumnType<string, string | undefined, string>;
  meta_jsonb: JsonDefault;
  created_at: Now;
  updated_at: Now;
}
interface Deployments {
  id: string;
  model_id: string;
  first_seen_at: Now;
  last_seen_at: Now;
  meta_jsonb: JsonDefault;
  /** when its provisional rounds were over */
  established_at: ColumnType<Date | null, never, Date>;
}
interface Contracts {
  hash: string;
  body_jsonb: Json;
  created_at: Now;
}
interface ScheduledPredictionConfigs {
  id: string;
  scope_key: string;
  scope_template_jsonb: Json;
  schedule_jsonb: Json<{ prediction_interval_seconds: number; resolve_horizon_seconds: number }>;
  active: ColumnType<boolean, boolean | undefined, boolean>;
  order: ColumnType<number, number | undefined, number>;
  meta_jsonb: JsonDefault;
  created_at: Now;
}
interface Inputs {
  id: string;
  raw_data_jsonb: Json;
  hash: string;
  received_at: Now;
  status: ColumnType<"RECEIVED" | "RESOLVED" | "EXPIRED", "RECEIVED" | undefined, "RESOLVED" | "EXPIRED">;
}
interface RoundCounts {
  called: number;
  answered: number;
  failed: number;
  timed_out: number;
  absent: number;
}
export interface Rounds {
  id: string;
  scope_key: string;
  scope_jsonb: Json;
  due_at: Date;
  deadline_at: Date;
  resolve_at: Date;
  give_up_at: Date;
  status: RoundStatus;
  reason: string | null;
  contract_hash: string;
  input_id: string | null;
  counts_jsonb: JsonDefault<Partial<RoundCounts>>;
  created_at: Now;
  collected_at: Date | null;
  finished_at: Date | null;
  /** ids of the models that it calls; null: everybody */
  callees_jsonb: ColumnType<string[] | null, string | null | undefined, never>;
  void_id: ColumnType<string | null, string | null | undefined, string>;
  /** the tournament round whose feature this is; null: a round of the schedule */
  tournament_id: ColumnType<string | null, string | null | undefined, never>;
}
/** A scope's cadence from an instant on; `until_at` null: the present one. */
interface ScopeSchedules {
  scope_key: string;
  from_at: Date;
  until_at: Date | null;
  schedule_jsonb: Json;
  contract_hash: string;
}
/**
 * One block of rounds that somebody declared void. The rounds point here (void_id); scores of theirs that a window had counted have
 * `current` false and keep their `window_end`, so that the next window finds what to correct.
 */
export interface Voids {
  id: Generated<string>;
  actor: string;
  reason: string;
  /** null: every scope */
  scope_key: string | null;
  from_at: Date;
  to_at: Date;
  counts_jsonb: JsonDefault<{ rounds?: number; predictions?: number; scores?: number }>;
  created_at: Now;
}
export interface TournamentRounds {
  id: string;
  status: TournamentStatus;
  features_hash: string;
  feature_count: number;
  contract_hash: string;
  deadline_at: Date;
  created_at: Now;
  closed_at: Date | null;
  scored_at: Date | null;
  finished_at: Date | null;
}
export interface Predictions {
  id: string;
  round_id: string;
  model_id: string;
  deployment_id: string;
  prediction_config_id: string;
  scope_key: string;
  scope_jsonb: Json;
  status: PredictionStatus;
  reason: string | null;
  exec_time_us: ColumnType<string, number, never>;
  inference_output_jsonb: ColumnType<Record<string, unknown> | null, string | null, string | null>;
  meta_jsonb: JsonDefault;
  performed_at: Date;
  resolvable_at: Date;
  due_at: Date;
}
export interface Truths {
  round_id: string;
  result_jsonb: Json;
  evidence_jsonb: Json;
  resolved_at: Now;
}
export interface Scores {
  id: string;
  prediction_id: string;
  round_id: string;
  model_id: string;
  due_at: Date;
  scorer_hash: string;
  deployment_id: ColumnType<string, string | undefined, never>;
  result_jsonb: Json;
  value: number | null;
  predicted: number | null;
  actual: number | null;
  success: boolean;
  failed_reason: string | null;
  /** false: another version, or a void, took its place; the next window takes it out of what counted it */
  current: ColumnType<boolean, boolean | undefined, boolean>;
  resolved_at: Date;
  scored_at: Now;
  /** end of the scoring window whose snapshot holds this score: the one in which its round resolved; null: none holds it */
  window_end: Date | null;
  /** a window had counted the version that this one replaced: statistics of outputs have it already */
  counted_before: ColumnType<boolean, boolean | undefined, boolean>;
}
/** Scores of one model, deployment and scope, added up exactly: by scoring window (at = its end), and by hour over those windows. */
interface ScoreSums {
  grain: "window" | "hour";
  at: Date;
  model_id: string;
  deployment_id: string;
  scope_key: string;
  /** numeric, as text */
  sum: string;
  /** scores with a value; those with a valid answer; all rounds that asked */
  counted: number;
  answered: number;
  asked: number;
  first_at: Date;
}
/** Running statistics (Welford) of predicted − actual of a model in a scope, over all scores that windows have counted. */
interface EnsembleErrors {
  scope_key: string;
  model_id: string;
  n: number;
  mean: number;
  m2: number;
}
/** Members' weights for the rounds that are due from this instant, the end of a scoring window, until the next row. */
interface EnsembleWeightRows {
  name: string;
  from_at: Date;
  weights_jsonb: Json<Record<string, number>>;
}
export interface DeadLetters {
  id: Generated<string>;
  prediction_id: string;
  round_id: string;
  model_id: string;
  stage: string;
  error: string;
  attempts: number;
  /** RETRYING: the score role asks the scorer again */
  status: ColumnType<
    "OPEN" | "RETRYING" | "RETRIED" | "EXCUSED",
    "OPEN" | undefined,
    "OPEN" | "RETRYING" | "RETRIED" | "EXCUSED"
  >;
  /** who asked for a retry or excused it, and why */
  actor: ColumnType<string | null, never, string>;
  reason: ColumnType<string | null, never, string | null>;
  settled_at: ColumnType<Date | null, never, Date>;
  created_at: Now;
}

export interface ScoringWindows {
  end_at: Date;
  start_at: Date;
  status: "OPEN" | "COMMITTED";
  counts_jsonb: JsonDefault;
  created_at: Now;
  committed_at: Date | null;
}
export interface Snapshots {
  id: string;
  model_id: string;
  window_end: Date;
  period_start: Date;
  period_end: Date;
  revision: ColumnType<number, number | undefined, never>;
  prediction_count: number;
  result_summary_jsonb: Json;
  meta_jsonb: JsonDefault;
  content_hash: string;
  supersedes: string | null;
  created_at: Now;
}
export interface Leaderboards {
  id: string;
  window_end: Date;
  created_at: Now;
  entries_jsonb: Json<LeaderboardEntryRow[]>;
  meta_jsonb: JsonDefault;
}
/** One row of a stored leaderboard; score_metrics holds windows and metrics by name. */
export interface LeaderboardEntryRow {
  model_id: string;
  model_name: string;
  cruncher_name: string;
  rank: number;
  score: {
    metrics: Record<string, number | null>;
    ranking: { key: string; value: number | null; direction: "asc" | "desc" };
  };
  windows: Record<string, { hours: number; covered_hours: number; partial: boolean }>;
  prediction_count: number;
  /** from here on absent on boards that earlier versions stored; windows by scope and name */
  by_scope?: Record<string, Record<string, number | null>>;
  participation?: number | null;
  /** rounds of the longest window without a valid answer */
  missed?: number;
  /** places won (positive) or lost since the board before; null: was not on it */
  rank_change?: number | null;
  /** ranks within which it lies in 95 % of resamples; `shared`: the first rank of those it cannot be told apart from */
  rank_interval?: { best: number; worst: number; shared: number } | null;
  newcomer?: boolean;
  provisional?: boolean;
  /** earlier deployments with a standing of their own, the newest first */
  former?: FormerDeployment[];
}
/** What a deployment reached that is not the model's newest any more; windows by name, null: no score inside. */
export interface FormerDeployment {
  deployment_id: string;
  prediction_count: number;
  first_at: string;
  last_at: string;
  windows: Record<string, number | null>;
}
export interface MerkleCycles {
  id: string;
  window_end: Date;
  previous_cycle_id: string | null;
  previous_cycle_root: string | null;
  snapshots_root: string;
  chained_root: string;
  snapshot_count: number;
  created_at: Now;
}
interface MerkleNodes {
  id: Generated<string>;
  checkpoint_id: string | null;
  cycle_id: string | null;
  level: number;
  position: number;
  hash: string;
  left_child_id: string | null;
  right_child_id: string | null;
  snapshot_id: string | null;
  snapshot_content_hash: string | null;
  created_at: Now;
}

export interface Checkpoints {
  id: string;
  period_start: Date;
  period_end: Date;
  status: CheckpointStatus;
  phase: CheckpointPhase;
  cause: string | null;
  version: ColumnType<number, number | undefined, number>;
  entries_jsonb: Json<unknown[]>;
  emission_jsonb: Json;
  meta_jsonb: JsonDefault;
  merkle_root: string;
  emission_hash: string;
  created_at: Now;
  tx_hash: string | null;
  submitted_at: Date | null;
  history_jsonb: ColumnType<unknown, string | null | undefined, string>;
  /** its evidence stands in a file of its own; null: everything of its period stays */
  bundle_written_at: ColumnType<Date | null, never, Date>;
}
export interface CheckpointTransitions {
  id: Generated<string>;
  checkpoint_id: string;
  from_phase: string;
  to_phase: string;
  from_status: string;
  to_status: string;
  chain_attempt: ColumnType<number, number | undefined, never>;
  actor: string;
  cause: string;
  workflow_run_id: string | null;
  activity_attempt: number | null;
  tx_hash: string | null;
  at: Now;
}
interface Submissions {
  checkpoint_id: string;
  genesis: string;
  base_address: string;
  key_marker: string;
  content_marker: string;
  plan_jsonb: Json;
  plan_hash: string;
  version: ColumnType<number, number | undefined, number>;
  created_at: Now;
}
export interface PayoutBatches {
  checkpoint_id: string;
  part: number;
  marker: string;
  hash: string;
  /** the frozen batch: what is signed, and the seed of its marker */
  plan_jsonb: Json;
  recipients_jsonb: Json<unknown[]>;
  amount: ColumnType<string, string, never>;
  status: "PLANNED" | "SENT" | "FINAL";
  tx_hash: string | null;
  finished_at: Date | null;
}
interface SubmissionAttempts {
  checkpoint_id: string;
  part: number;
  n: number;
  lifetime_jsonb: Json;
  wire: string;
  signature: string;
  created_at: Now;
  sent_at: Date | null;
  outcome: "FINAL" | "DEAD" | null;
}

interface Outbox {
  id: Generated<string>;
  topic: string;
  event: string;
  data_jsonb: Json;
  created_at: Now;
}
interface ApiKeys {
  id: string;
  name: string;
  tier: "read" | "participant" | "local" | "operator" | "admin";
  hash: string;
  cruncher_id: string | null;
  created_at: Now;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}
interface IdempotencyKeys {
  key: string;
  request_hash: string;
  status_code: number;
  body_jsonb: Json<unknown>;
  created_at: Now;
}
interface AuditLog {
  id: Generated<string>;
  actor: string;
  action: string;
  subject: string;
  detail_jsonb: JsonDefault;
  at: Now;
}

export interface Schema {
  feed_records: FeedRecords;
  feed_ingestion_state: FeedIngestionState;
  feed_days: FeedDays;
  feed_gaps: FeedGaps;
  feed_quality: FeedQuality;
  backfill_jobs: BackfillJobs;
  rescore_jobs: RescoreJobs;
  models: Models;
  deployments: Deployments;
  contracts: Contracts;
  scheduled_prediction_configs: ScheduledPredictionConfigs;
  inputs: Inputs;
  rounds: Rounds;
  scope_schedules: ScopeSchedules;
  voids: Voids;
  tournament_rounds: TournamentRounds;
  predictions: Predictions;
  truths: Truths;
  scores: Scores;
  score_sums: ScoreSums;
  ensemble_errors: EnsembleErrors;
  ensemble_weights: EnsembleWeightRows;
  dead_letters: DeadLetters;
  scoring_windows: ScoringWindows;
  snapshots: Snapshots;
  leaderboards: Leaderboards;
  merkle_cycles: MerkleCycles;
  merkle_nodes: MerkleNodes;
  checkpoints: Checkpoints;
  checkpoint_transitions: CheckpointTransitions;
  submissions: Submissions;
  payout_batches: PayoutBatches;
  submission_attempts: SubmissionAttempts;
  outbox: Outbox;
  api_keys: ApiKeys;
  idempotency_keys: IdempotencyKeys;
  audit_log: AuditLog;
}
