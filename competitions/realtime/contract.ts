import type { ScheduledScope } from "../competition.ts";
import { defineCompetition } from "../define.ts";
import leaderboardColumns from "./leaderboard-columns.json" with { type: "json" };
import metricsWidgets from "./metrics-widgets.json" with { type: "json" };

/** How often a question is asked of each subject, and how far ahead it looks. */
export interface Pace {
  everyMs: number;
  horizonMs: number;
}
const PACE: Pace = { everyMs: 5_000, horizonMs: 20_000 };
const GIVE_UP_AFTER_MS = 30_000;
/** One unit is a basis point of return per unit of prediction. */
const SCALE = 10_000;

const scheduleOf = ({ everyMs, horizonMs }: Pace, subjects: readonly string[]): ScheduledScope[] =>
  subjects.map((subject) => ({
    scopeKey: `${subject}-${horizonMs / 1_000}`,
    scope: { subject, resolve_horizon_seconds: horizonMs / 1_000, step_seconds: everyMs / 1_000 },
    everyMs,
    resolveAfterMs: horizonMs,
    giveUpAfterMs: GIVE_UP_AFTER_MS,
  }));

type Realtime = ReturnType<typeof defineCompetition>;

/**
 * Predict the return over the next 20 seconds, every 5 seconds; a score is prediction × return in basis points. A variant has a pace or windows
 * of its own. Mirror: challenge/tracker, which asks the same questions and gives the same digits.
 */
export const realtime = (own: { pace?: Pace } & Partial<Pick<Realtime, "windows" | "ranking">> = {}): Realtime => {
  const { pace = PACE, ...fields } = own;
  return defineCompetition({
    id: "realtime",
    title: "Realtime returns",
    schedule: (subjects) => scheduleOf(pace, subjects),
    score: (prediction, truth) => ({
      value: prediction.value * truth.profit * SCALE,
      actual_return: truth.profit,
      entry_price: truth.entry_price,
      resolved_price: truth.resolved_price,
    }),
    leaderboardColumns,
    metricsWidgets,
    ...fields,
  });
};
