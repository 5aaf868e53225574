import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Figures of this process; served by workers/health.ts and, for the report role, by the API. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry, prefix: "almanac_" });

const registers = [registry];

/** Newest record stored -> the round's predictions committed. */
export const feedToPrediction = new Histogram({
  name: "almanac_feed_to_prediction_seconds",
  help: "From the storing of the newest feed record to the commit of a round's predictions",
  buckets: [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers,
});

/** outcome: SUCCESS, FAILURE, TIMEOUT or SKIPPED. */
export const modelCallDuration = new Histogram({
  name: "almanac_model_call_duration_seconds",
  help: "Time of one call to a model, by outcome",
  labelNames: ["model_id", "outcome"],
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers,
});

export const feedLag = new Gauge({
  name: "almanac_feed_lag_seconds",
  help: "Age of the newest stored record since it was final",
  labelNames: ["subject"],
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
