import type { ColumnType, Generated } from "kysely";
import type { RankDiff, RescoreCounts, RescoreStatus } from "../../domain/rescore.ts";
import type { Json, JsonDefault, Now } from "./columns.ts";

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
  /** hash of its score record; null: scored before there were any */
  leaf_hash: ColumnType<Buffer | null, Uint8Array | null | undefined, Uint8Array>;
}
/** Scores of one model, deployment and scope, added up exactly: by scoring window (at = its end), and by hour over those windows. */
export interface ScoreSums {
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
export interface EnsembleErrors {
  scope_key: string;
  model_id: string;
  n: number;
  mean: number;
  m2: number;
}
/** Members' weights for the rounds that are due from this instant, the end of a scoring window, until the next row. */
export interface EnsembleWeightRows {
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
  /** hash of its snapshot record */
  content_hash: string;
  supersedes: string | null;
  created_at: Now;
  /** tree over leaf_hashes */
  scores_root: ColumnType<string | null, string | null | undefined, never>;
  /** hashes of its score records end to end, by (due time, round id); both null: from before there were any */
  leaf_hashes: ColumnType<Buffer | null, Uint8Array | null | undefined, never>;
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
  /** hash of its cycle record */
  chained_root: string;
  snapshot_count: number;
  created_at: Now;
  /** as the public node makes trees and chains; both null: no snapshots, or from before there were any */
  peer_snapshots_root: string | null;
  peer_chained_root: string | null;
}
export interface MerkleNodes {
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
