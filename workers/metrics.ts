import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallResult } from "../models/client/fleet.ts";
import { timesOf } from "../models/client/model-metrics.ts";

/** Figures of this process; served by workers/health.ts and, for the report role, by the API. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry, prefix: "almanac_" });

const registers = [registry];
const MICROSECONDS_PER_SECOND = 1_000_000;

/** Newest record stored -> the round's predictions committed. */
export const feedToPrediction = new Histogram({
  name: "almanac_feed_to_prediction_seconds",
  help: "From the storing of the newest feed record to the commit of a round's predictions",
  buckets: [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers,
});

const callBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** outcome: SUCCESS, FAILURE, TIMEOUT or SKIPPED. */
const modelCallDuration = new Histogram({
  name: "almanac_model_call_duration_seconds",
  help: "Time of one call to a model until its answer, by outcome",
  labelNames: ["model_id", "outcome"],
  buckets: callBuckets,
  registers,
});

/** Only of runners that tell the time inside the method apart. */
const modelQueueWait = new Histogram({
  name: "almanac_model_queue_wait_seconds",
  help: "Part of a call that was spent in queues and on the way",
  labelNames: ["model_id"],
  buckets: callBuckets,
  registers,
});
const modelCompute = new Histogram({
  name: "almanac_model_compute_seconds",
  help: "Part of a call that was spent inside the model's method",
  labelNames: ["model_id"],
  buckets: callBuckets,
  registers,
});

/** Takes the result of one call to a model. */
export function observeCall(result: CallResult): void {
  const { modelId: model_id, status: outcome } = result;
  const { latencyUs, waitUs, computeUs } = timesOf(result);
  modelCallDuration.observe({ model_id, outcome }, latencyUs / MICROSECONDS_PER_SECOND);
  if (outcome === "SKIPPED") return;
  if (waitUs !== null) modelQueueWait.observe({ model_id }, waitUs / MICROSECONDS_PER_SECOND);
  if (computeUs !== null) modelCompute.observe({ model_id }, computeUs / MICROSECONDS_PER_SECOND);
}

export const feedLag = new Gauge({
  name: "almanac_feed_lag_seconds",
  help: "Age of the newest stored record since it was final",
  labelNames: ["subject"],
  registers,
});

/** What was counted of the feeds: see activities/feed-quality.ts. */
export const feedEvents = new Counter({
  name: "almanac_feed_events_total",
  help: "Duplicate, late, refused, corrected records, reconnects and the like, by stream",
  labelNames: ["source", "subject", "event"],
  registers,
});

export const predictionsOverdue = new Gauge({
  name: "almanac_predictions_overdue",
  help: "Rounds whose truth is due and which are not scored",
  registers,
});

/** Counted when a round reaches a final status. */
export const roundsTotal = new Counter({
  name: "almanac_rounds_total",
  help: "Rounds by the status they ended in",
  labelNames: ["status"],
  registers,
});

export const requestDuration = new Histogram({
  name: "almanac_http_request_duration_seconds",
  help: "Answers of the API by route pattern and status",
  labelNames: ["method", "route", "status"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
  registers,
});
