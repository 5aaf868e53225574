import { defineCompetition } from "../../../../../competitions/define.ts";

/** The real contract with horizons of seconds; SCORER_SIGN=-1 turns the scorer round. */
const sign = Number(process.env.SCORER_SIGN ?? 1);
const everyMs = Number(process.env.QUICK_EVERY_MS ?? 1_000);
const horizonMs = Number(process.env.QUICK_HORIZON_MS ?? 2_000);

export default defineCompetition({
  id: "quick",
  schedule: (subjects) =>
    subjects.map((subject) => ({
      scopeKey: `${subject}-quick`,
      scope: { subject, resolve_horizon_seconds: horizonMs / 1_000, step_seconds: everyMs / 1_000 },
      everyMs,
      resolveAfterMs: horizonMs,
      giveUpAfterMs: 10_000,
    })),
  score: (prediction, truth) => {
    if (prediction.value === 666) throw new Error("the scorer cannot bear this number");
    return { value: sign * prediction.value * truth.profit * 10_000, actual_return: truth.profit };
  },
});
