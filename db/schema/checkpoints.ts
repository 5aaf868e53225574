import type { ColumnType, Generated } from "kysely";
import type { CheckpointPhase, CheckpointStatus } from "../../domain/checkpoint.ts";
import type { Action, DecisionResult } from "../../domain/decision.ts";
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
  /** of different approvers; null before approval begins */
  approvals_needed: ColumnType<number | null, number | undefined, number>;
  /** it can be voided until then, and is not submitted before */
  objection_until: ColumnType<Date | null, Date | undefined, Date>;
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
/** What people decided; `body` is what a second use of the key is compared with. */
export interface CheckpointDecisions {
  key: string;
  checkpoint_id: string;
  action: Action;
  actor: string;
  reason: string | null;
  body: string;
  /** the signed text; null where nothing is signed */
  statement: string | null;
  signature: string | null;
  result_jsonb: Json<DecisionResult>;
  workflow_run_id: string | null;
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
  /** greatest finalized slot that was read for it */
  context_slot: ColumnType<string | null, never, string>;
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
  /** of the token that amounts are smallest units of; null: lamports */
  mint: string | null;
  decimals: number | null;
  status: "PLANNED" | "SENT" | "FINAL";
  /** greatest finalized slot that was read for it */
  context_slot: ColumnType<string | null, never, string>;
  tx_hash: string | null;
  /** why it does not go on */
  cause: ColumnType<string | null, never, string | null>;
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
/** One checkpoint in the order of sealing; only its note may come later. */
export interface CheckpointLog {
  /** from 0 */
  idx: number;
  checkpoint_id: string;
  record_jsonb: Json;
  leaf_hash: string;
  /** of the tree over the leaves 0 to idx */
  tree_root: string;
  /** signed note of tree_root; null: not signed yet */
  note: ColumnType<string | null, never, string>;
  sealed_at: Now;
}
