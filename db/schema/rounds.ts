import type { ColumnType, Generated } from "kysely";
import type { RoundStatus } from "../../domain/round.ts";
import type { TournamentStatus } from "../../domain/tournament.ts";
import type { Json, JsonDefault, Now } from "./columns.ts";

export interface Models {
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
export interface Deployments {
  id: string;
  model_id: string;
  first_seen_at: Now;
  last_seen_at: Now;
  meta_jsonb: JsonDefault;
  /** when its provisional rounds were over */
  established_at: ColumnType<Date | null, never, Date>;
}
export interface Contracts {
  hash: string;
  body_jsonb: Json;
  created_at: Now;
}
export interface ScheduledPredictionConfigs {
  id: string;
  scope_key: string;
  scope_template_jsonb: Json;
  schedule_jsonb: Json<{ prediction_interval_seconds: number; resolve_horizon_seconds: number }>;
  active: ColumnType<boolean, boolean | undefined, boolean>;
  order: ColumnType<number, number | undefined, number>;
  meta_jsonb: JsonDefault;
  created_at: Now;
}
export interface Inputs {
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
export interface ScopeSchedules {
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
export type PredictionStatus = "PENDING" | "SCORED" | "FAILED" | "TIMEOUT" | "ABSENT" | "UNRESOLVABLE" | "VOIDED";
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
