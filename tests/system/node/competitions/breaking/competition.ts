import { closeToClose } from "../../../../../competitions/close-to-close.ts";
import { defineCompetition } from "../../../../../competitions/define.ts";
import { buildMarketInput } from "../../../../../competitions/market-input.ts";

/** Good at the dry run, broken soon after it: what no check at the start can find. */
const BREAKS_AFTER_MS = 2_000;
const begun = Date.now();
const breaks = (what: string): void => {
  if (Date.now() - begun > BREAKS_AFTER_MS) throw new Error(`${what} broke`);
};
const scope = (name: string, subject: string) => ({
  scopeKey: `${subject}-${name}`,
  scope: { subject, name, resolve_horizon_seconds: 2, step_seconds: 1 },
  everyMs: 1_000,
  phaseMs: 0,
  resolveAfterMs: 2_000,
  giveUpAfterMs: 3_000,
});

export default defineCompetition({
  id: "breaking",
  schedule: (subjects) => subjects.flatMap((subject) => [scope("good", subject), scope("truthless", subject)]),
  buildInput: (subject, asOfMs, records) => {
    if (Math.floor(asOfMs / 1_000) % 5 === 0) breaks("the builder"); // each fifth round
    return buildMarketInput(subject, asOfMs, records);
  },
  resolveTruth: (request) => {
    if (request.scope.name === "truthless") breaks("the resolver");
    return closeToClose(request);
  },
  score: (prediction, truth) => ({ value: prediction.value * truth.profit * 10_000 }),
  aggregateSnapshot: (results) => {
    breaks("the aggregator");
    return { value: results.length };
  },
  rankModels: (rows) => {
    breaks("the ranker");
    return rows.map((row) => row.modelId);
  },
});
