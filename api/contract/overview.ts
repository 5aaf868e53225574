import { z } from "zod";
import { isoTime } from "./common.ts";
import { round } from "./rounds.ts";

const count = z.number().int();

const feedStage = z.object({
  subject: z.string(),
  source: z.string(),
  kind: z.string(),
  granularity: z.string(),
  granularity_ms: z.number(),
  last_event_at: isoTime.nullable(),
  received_at: isoTime.nullable(),
  /** since the newest record was final; null: none stored */
  age_ms: z.number().nullable(),
  state: z.enum(["live", "late", "stale", "empty"]),
});
const latencyStage = z.object({ name: z.enum(["begin", "models", "store"]), p50_ms: z.number() });

/** Live numbers of every stage, feed to chain. */
export const overview = z.object({
  as_of: isoTime,
  feed: z.array(feedStage),
  input: z.object({ per_minute: count }),
  predict: z.object({
    models_running: count,
    predictions_per_minute: count,
    rounds_per_minute: count,
    next_resolve_at: isoTime.nullable(),
  }),
  score: z.object({
    waiting: count.meta({ description: "rounds whose time to resolve is to come" }),
    due: count.meta({ description: "rounds past it, not yet scored" }),
    late: count.meta({ description: "of these, past the time at which they should have been given up" }),
    scores_per_minute: count,
  }),
  snapshot: z.object({
    window_end: isoTime.nullable(),
    committed_at: isoTime.nullable(),
    snapshots: count,
    scores: count,
    open_windows: count,
    interval_ms: z.number(),
  }),
  checkpoint: z.object({
    period_start: isoTime,
    period_end: isoTime,
    latest: z
      .object({ id: z.string(), status: z.string(), phase: z.string(), cause: z.string().nullable() })
      .nullable(),
  }),
  chain: z.object({
    network: z.string(),
    last_paid: z.object({ id: z.string(), period_end: isoTime, tx_hash: z.string().nullable() }).nullable(),
  }),
  /** newest record stored -> predictions stored, over the newest rounds; null: no round was collected yet */
  latency: z
    .object({ rounds: count, p50_ms: z.number(), p95_ms: z.number(), stages: z.array(latencyStage) })
    .nullable(),
  rounds_last_hour: z.record(z.string(), count),
  recent_rounds: z.array(round),
});
export type Overview = z.infer<typeof overview>;
export type FeedStage = z.infer<typeof feedStage>;
