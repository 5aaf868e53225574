import { defineCompetition } from "../define.ts";

const EVERY_MS = 5_000;
const HORIZON_MS = 20_000;
/** One unit is a basis point of return per unit of prediction. */
const SCALE = 10_000;

/** Predict the return over the next 20 seconds, every 5 seconds; a score is prediction × return in basis points. */
export default defineCompetition({
  id: "realtime",
  title: "Realtime returns",
  schedule: (subjects) =>
    subjects.map((subject) => ({
      scopeKey: `${subject}-${HORIZON_MS / 1_000}`,
      scope: { subject, resolve_horizon_seconds: HORIZON_MS / 1_000, step_seconds: EVERY_MS / 1_000 },
      everyMs: EVERY_MS,
      resolveAfterMs: HORIZON_MS,
      giveUpAfterMs: 30_000,
    })),
  score: (prediction, truth) => ({
    value: prediction.value * truth.profit * SCALE,
    actual_return: truth.profit,
    entry_price: truth.entry_price,
    resolved_price: truth.resolved_price,
  }),
});
