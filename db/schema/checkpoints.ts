import type { ColumnType, Generated } from "kysely";
import type { CheckpointPhase, CheckpointStatus } from "../../domain/checkpoint.ts";
import type { Json, JsonDefault, Now } from "./columns.ts";

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
export interface Submissions {
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
export interface SubmissionAttempts {
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
