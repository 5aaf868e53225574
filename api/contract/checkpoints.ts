import { z } from "zod";
import { isoTime, jsonObject, limitParameter, strictQuery, textParameter } from "./common.ts";

const CHECKPOINT_STATUSES = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"] as const;
const status = z.enum([...CHECKPOINT_STATUSES, "VOID"]);
/** The public node's; what is void is not shown there. */
const legacyStatus = z.enum(CHECKPOINT_STATUSES);
export type LegacyStatus = z.infer<typeof legacyStatus>;
export const checkpointId = z.object({ id: textParameter(100) });

export const checkpointRow = z.object({
  id: z.string(),
  period_start: isoTime,
  period_end: isoTime,
  status: legacyStatus,
  entries: z.array(z.unknown()),
  meta: jsonObject,
  created_at: isoTime,
  tx_hash: z.string().nullable(),
  submitted_at: isoTime.nullable(),
});
export const checkpointsQuery = z.object({
  status: z.enum(CHECKPOINT_STATUSES).optional(),
  limit: limitParameter(20, 100),
});
export const checkpointPayload = z.object({
  checkpoint_id: z.string(),
  period_start: isoTime,
  period_end: isoTime,
  entries: z.array(z.unknown()),
});

const providerReward = z.object({ provider: z.string(), reward_pct: z.number().int() });
/** As it goes on chain: shares are frac64, 1,000,000,000 is all. */
export const emission = z.object({
  crunch: z.string(),
  cruncher_rewards: z.array(z.object({ cruncher_index: z.number().int(), reward_pct: z.number().int() })),
  compute_provider_rewards: z.array(providerReward),
  data_provider_rewards: z.array(providerReward),
});
export const latestEmission = z.object({
  checkpoint_id: z.string(),
  status: legacyStatus,
  period_start: isoTime,
  period_end: isoTime,
  emission,
});

const transition = z.object({
  at: isoTime,
  actor: z.string(),
  from_phase: z.string(),
  to_phase: z.string(),
  from_status: z.string(),
  to_status: z.string(),
  cause: z.string(),
  chain_attempt: z.number().int(),
  workflow_run_id: z.string().nullable(),
  activity_attempt: z.number().int().nullable(),
  tx_hash: z.string().nullable(),
});
export const transitionList = z.object({ data: z.array(transition), next_cursor: z.null() });
export type Transition = z.infer<typeof transition>;

/** Who gets what: a cruncher's models are summed. */
const emissionShare = z.object({
  cruncher_id: z.string(),
  cruncher_name: z.string(),
  cruncher_index: z.number().int(),
  wallet: z.string(),
  models: z.array(z.string()),
  frac64: z.string().meta({ description: "of 1,000,000,000", examples: ["350000000"] }),
});
const decision = z.enum(["approve", "retry", "retryBlocked", "void"]);
export const checkpointView = z.object({
  id: z.string(),
  period_start: isoTime,
  period_end: isoTime,
  status,
  phase: z.string(),
  cause: z.string().nullable(),
  created_at: isoTime,
  submitted_at: isoTime.nullable(),
  tx_hash: z.string().nullable(),
  merkle_root: z.string(),
  emission_hash: z.string(),
  snapshot_count: z.number().int(),
  model_count: z.number().int(),
  workflow_id: z.string(),
  version: z.number().int().meta({ description: "what the ETag names" }),
  approvals: z.array(z.object({ actor: z.string(), at: isoTime })),
  /** by different approvers; null: approval has not begun */
  approvals_needed: z.number().int().nullable(),
  /** until then it is not submitted, and can be voided */
  objection_until: isoTime.nullable(),
  /** what a person may do in this phase */
  open_decisions: z.array(decision),
  emission: z.array(emissionShare),
});
export type CheckpointView = z.infer<typeof checkpointView>;

const listedCheckpoint = checkpointView.pick({
  ...{ id: true, period_start: true, period_end: true, status: true, phase: true, cause: true, tx_hash: true },
  ...{ snapshot_count: true, model_count: true, created_at: true, submitted_at: true },
});
export const checkpointList = z.object({ data: z.array(listedCheckpoint), next_cursor: z.string().nullable() });
export type CheckpointList = z.infer<typeof checkpointList>;
export const checkpointListQuery = strictQuery({
  status: status.optional(),
  /** the id of the last one of the page before */
  cursor: textParameter(100).optional(),
  limit: limitParameter(100, 1_000),
});
