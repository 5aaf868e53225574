import type { ColumnType, Generated } from "kysely";
import type { CheckpointPhase, CheckpointStatus } from "../domain/checkpoint.ts";
import type { RoundStatus } from "../domain/round.ts";

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
interface BackfillJobs extends DimensionColumns {
  id: string;
  start_ts: Date;
  end_ts: Date;
  cursor_ts: Date | null;
  records_written: ColumnType<string, number | undefined, number>;
  pages_fetched: ColumnType<number, number | undefined, number>;
  status: "pending" | "running" | "paused" | "completed" | "failed" | "cancelled";
  error: string | null;
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
  result_jsonb: Json;
  value: number | null;
  predicted: number | null;
  actual: number | null;
  success: boolean;
  failed_reason: string | null;
  current: ColumnType<boolean, boolean | undefined, boolean>;
  resolved_at: Date;
  scored_at: Now;
  /** the scoring window that counted this score; null: not yet counted */
  window_end: Date | null;
}
interface DeadLetters {
  id: Generated<string>;
  prediction_id: string;
  round_id: string;
  model_id: string;
  stage: string;
  error: string;
  attempts: number;
  status: ColumnType<"OPEN" | "RETRIED" | "EXCUSED", "OPEN" | undefined, "RETRIED" | "EXCUSED">;
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
  backfill_jobs: BackfillJobs;
  models: Models;
  deployments: Deployments;
  contracts: Contracts;
  scheduled_prediction_configs: ScheduledPredictionConfigs;
  inputs: Inputs;
  rounds: Rounds;
  predictions: Predictions;
  truths: Truths;
  scores: Scores;
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
