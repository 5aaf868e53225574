import { z } from "zod";
import type { CallableField } from "./callables.ts";
import { closeToClose, type ReturnTruth, returnTruth } from "./close-to-close.ts";
import type { Competition, ScheduledScope } from "./competition.ts";
import { buildCompatInput, buildMarketInput, type MarketInput, marketInput } from "./market-input.ts";

const valueOutput = z.object({ value: z.number() });
type ValueOutput = z.output<typeof valueOutput>;

const HORIZON_MS = 60_000;
const EVERY_MS = 15_000;

const standardSchedule = (subjects: readonly string[]): ScheduledScope[] =>
  subjects.map((subject) => ({
    scopeKey: `${subject}-${HORIZON_MS / 1_000}`,
    scope: { subject, resolve_horizon_seconds: HORIZON_MS / 1_000, step_seconds: EVERY_MS / 1_000 },
    everyMs: EVERY_MS,
    resolveAfterMs: HORIZON_MS,
    giveUpAfterMs: HORIZON_MS,
  }));

type Standard = Competition<MarketInput, ValueOutput, ReturnTruth>;
/** A callable may be named instead of given (callables.ts); loading puts the function in its place. */
type OwnFields = {
  [Field in keyof Standard]: Field extends CallableField ? Standard[Field] | string : Standard[Field];
};

/**
 * A competition from an id and a scorer; every other field has the default of the public contract:
 * close-to-close truth, a {value} output, mean aggregation, windows of 24, 72 and 168 hours, ranked by the first, larger first.
 */
export function defineCompetition(own: Pick<OwnFields, "id" | "score"> & Partial<OwnFields>): Standard {
  return Object.freeze({
    title: own.id,
    schedule: standardSchedule,
    input: marketInput,
    output: valueOutput,
    truth: returnTruth,
    tickMethod: "tick",
    call: {
      method: "predict",
      args: [
        { name: "subject", type: "STRING" },
        { name: "resolve_horizon_seconds", type: "INT" },
        { name: "step_seconds", type: "INT" },
      ],
    },
    buildInput: own.compat === "crunch-node" ? buildCompatInput : buildMarketInput,
    resolveTruth: closeToClose,
    pair: (prediction, truth) => ({ predicted: prediction.value, actual: truth.profit }),
    missing: {
      ABSENT: { kind: "worst-of-round" },
      TIMEOUT: { kind: "worst-of-round" },
      FAILED: { kind: "worst-of-round" },
    },
    metrics: ["ic", "mean_return", "hit_rate", "max_drawdown", "sortino_ratio"],
    windows: [
      { name: "score_recent", hours: 24 },
      { name: "score_steady", hours: 72 },
      { name: "score_anchor", hours: 168 },
    ],
    ranking: { key: "score_recent", direction: "desc" },
    ...(own as Pick<Standard, "id" | "score"> & Partial<Standard>),
  } satisfies Standard);
}
