import { z } from "zod";
import type { RankDiff, RescoreStatus } from "../../domain/rescore.ts";
import { isoTime, limitParameter, textParameter, timeParameter } from "./common.ts";

const status = z.enum([
  "pending",
  "running",
  "ready",
  "adopted",
  "failed",
  "cancelled",
]) satisfies z.ZodType<RescoreStatus>;
const text = (what: string, most: number) =>
  textParameter(most).refine((value) => value.trim() !== "", `${what} must not be empty`);
/** who decided, as the audit log shall name it */
const actor = text("actor", 100).default("api");

/** Due times, half-open; without a zone they are UTC. */
export const rescoreBody = z.strictObject({ from: timeParameter, to: timeParameter, actor });
export const rescoreActBody = z.strictObject({ reason: text("reason", 500), actor });
export const rescoresQuery = z.object({ status: status.optional(), limit: limitParameter(100, 1_000) });
export const rescoreId = z.object({ id: z.string().min(1).max(64) });

const count = z.number().int();
export const rescoreJob = z.object({
  id: z.string(),
  from: isoTime,
  to: isoTime,
  scorer_hash: z.string(),
  status,
  progress_pct: z.number(),
  rounds: count,
  scores: count,
  /** predictions that the scorer refused */
  refused: count,
  /** somebody has asked for its adoption, and the node has not done it yet */
  adopting: z.boolean(),
  adopted: count,
  /** scores that stayed because a checkpoint has sealed them */
  sealed: count,
  actor: z.string(),
  adopt_actor: z.string().nullable(),
  adopt_reason: z.string().nullable(),
  error: z.string().nullable(),
  created_at: isoTime,
  updated_at: isoTime,
  adopted_at: isoTime.nullable(),
});

const value = z.number().nullable();
const rankDiff = z.object({
  ranked_by: z.literal("mean score"),
  direction: z.enum(["asc", "desc"]),
  rows: z.array(
    z.object({
      model_id: z.string(),
      ...{ rank_before: value, rank_after: value, value_before: value, value_after: value },
      ...{ scores: count, changed: count },
    }),
  ),
  ...{ scores: count, changed: count, replaceable: count, sealed: count },
  checkpoints: z.array(z.string()),
}) satisfies z.ZodType<RankDiff>;
/** The diff is there as soon as the job is ready. */
export const rescoreJobWithDiff = rescoreJob.extend({ diff: rankDiff.nullable() });
