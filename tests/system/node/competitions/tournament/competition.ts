import { z } from "zod";
import type { Competition } from "../../../../../competitions/competition.ts";
import { defineCompetition } from "../../../../../competitions/define.ts";

const feature = z.object({ x: z.number() });
const price = z.object({ price: z.number().positive() });
const answer = z.object({ value: z.number() });
type Rule = Competition<z.output<typeof feature>, z.output<typeof answer>, z.output<typeof price>>;

/** Posted features and nothing else: no schedule, no feed. */
const competition: Rule = {
  ...(defineCompetition({ id: "tournament", score: () => ({ value: 0 }) }) as unknown as Rule),
  schedule: () => [],
  tournament: { deadlineMs: Number(process.env.TOURNAMENT_DEADLINE_MS ?? 120_000) },
  input: feature,
  output: answer,
  truth: price,
  call: {
    method: "predict",
    args: [
      { name: "features", type: "JSON" },
      { name: "feature_index", type: "INT" },
    ],
  },
  score: (prediction, truth) => ({ value: Math.max(0, 1 - Math.abs(prediction.value - truth.price) / truth.price) }),
  pair: (prediction, truth) => ({ predicted: prediction.value, actual: truth.price }),
};
export default competition;
