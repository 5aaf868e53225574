import { z } from "zod";
import type { Density } from "../../domain/density/density.ts";
import type { Competition, MarketRecord, ScheduledScope, SubjectNames } from "../competition.ts";
import { type Forecast, fitsQuestion, forecast } from "./forecast.ts";
import leaderboardColumns from "./leaderboard-columns.json" with { type: "json" };
import metricsWidgets from "./metrics-widgets.json" with { type: "json" };
import { crpsScore } from "./score.ts";
import { priceOf, resolveSteps, type StepTruth, stepTruth } from "./truth.ts";

/** One kind of question: the log returns of every `stepSeconds` up to `horizonSeconds`, asked every `everySeconds` for each asset. */
export interface Scale {
  horizonSeconds: number;
  stepSeconds: number;
  everySeconds: number;
  /** log returns of a step beyond ± this are told apart no further; absent: 3 % of five minutes, growing with √step */
  bound?: number;
}

/** What `tick` receives: asset → [seconds, price] ascending. A candle stands at its end, when its close is known. */
const priceData = z.record(z.string(), z.array(z.tuple([z.number(), z.number()])));
type PriceData = z.output<typeof priceData>;

/** How the usual feeds call what models know as BTC, ETH, … */
const ASSETS: SubjectNames = { BTCUSDT: "BTC", ETHUSDT: "ETH", SOLUSDT: "SOL", XAUTUSDT: "XAUT", XAUUSD: "XAU" };
export const SCALES: readonly Scale[] = [
  { horizonSeconds: 3_600, stepSeconds: 300, everySeconds: 720 },
  { horizonSeconds: 3_600, stepSeconds: 3_600, everySeconds: 720 },
  { horizonSeconds: 86_400, stepSeconds: 3_600, everySeconds: 3_600 },
  { horizonSeconds: 86_400, stepSeconds: 21_600, everySeconds: 3_600 },
];

const BASE_STEP_SECONDS = 300;
const BASE_BOUND = 0.03;
const GIVE_UP_AFTER_MS = 600_000;
const MINUTE_MS = 60_000;

const assetOf = (subject: string): string => ASSETS[subject] ?? subject;

/** Assets take turns within the interval, so that not all are asked at once; on whole minutes, where prices are. */
function scheduleOf(scales: readonly Scale[], subjects: readonly string[]): ScheduledScope[] {
  return scales.flatMap((scale) =>
    subjects.map((subject, i) => {
      const asset = assetOf(subject);
      const everyMs = scale.everySeconds * 1_000;
      return {
        scopeKey: `${asset}-${scale.horizonSeconds}-${scale.stepSeconds}`,
        scope: { subject, asset, horizon: scale.horizonSeconds, step: scale.stepSeconds, bound: boundOf(scale) },
        everyMs,
        phaseMs: Math.floor((i * everyMs) / subjects.length / MINUTE_MS) * MINUTE_MS,
        resolveAfterMs: scale.horizonSeconds * 1_000,
        giveUpAfterMs: GIVE_UP_AFTER_MS,
      };
    }),
  );
}

const boundOf = ({ bound, stepSeconds }: Scale): number =>
  bound ?? BASE_BOUND * Math.sqrt(Math.max(stepSeconds, BASE_STEP_SECONDS) / BASE_STEP_SECONDS);

const priceInput = (subject: string, _asOfMs: number, records: readonly MarketRecord[]): PriceData => ({
  [assetOf(subject)]: records.map((r) => [r.tsFinal / 1_000, priceOf(r)]),
});

const normal = (loc: number, scale: number): Density => ({ type: "builtin", name: "norm", params: { loc, scale } });
type Condor = Competition<PriceData, Forecast, StepTruth>;

/** Density forecasts of log returns. A variant has scales or a score of its own; what remains is the same competition. */
export const condor = (
  own: { scales?: readonly Scale[] } & Partial<
    Pick<Condor, "id" | "title" | "score" | "ranking" | "missing" | "compat">
  > = {},
): Condor => ({
  id: "condor",
  title: "Condor: how prices may move",
  input: priceData,
  output: forecast,
  truth: stepTruth,
  tickMethod: "tick",
  call: {
    method: "predict",
    args: [
      { name: "asset", type: "STRING" },
      { name: "horizon", type: "INT" },
      { name: "step", type: "INT" },
    ],
  },
  subjectNames: ASSETS,
  buildInput: priceInput,
  validateOutput: fitsQuestion,
  resolveTruth: resolveSteps,
  score: crpsScore,
  samples: ({ horizon, step }) => {
    const alike = (density: Density): Forecast => ({
      distributions: Array.from({ length: Number(horizon) / Number(step) }, () => density),
    });
    return { outputs: [alike(normal(0, 0.001)), alike(normal(0.001, 0.004))] };
  },
  pair: () => null,
  missing: {
    ABSENT: { kind: "worst-of-round" },
    TIMEOUT: { kind: "worst-of-round" },
    FAILED: { kind: "worst-of-round" },
  },
  metrics: [],
  windows: [
    { name: "score_recent", hours: 24 },
    { name: "score_steady", hours: 72 },
    { name: "score_anchor", hours: 168 },
  ],
  ranking: { key: "score_anchor", direction: "asc" },
  leaderboardColumns,
  metricsWidgets,
  ...own,
  schedule: (subjects) => scheduleOf(own.scales ?? SCALES, subjects),
});
