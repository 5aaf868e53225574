import { meanDensity, robustLog } from "../../domain/crps/log-score.ts";
import { thresholdCrps } from "../../domain/crps/threshold.ts";
import { type Mixture, pdf } from "../../domain/density/density.ts";
import type { ScoreResult } from "../competition.ts";
import { type Forecast, mixturesOf } from "./forecast.ts";
import type { StepTruth } from "./truth.ts";

const BASIS_POINTS = 10_000;
/** Scores of all steps are told on the scale of this one, as returns grow with the square root of time. */
const BASE_STEP_SECONDS = 300;
/** An infinite density is told as this one. */
const DENSITY_CEILING = 1e10;

/**
 * Mean over the steps of the CRPS within ±bound, in basis points on the scale of five minutes. Lower is better.
 * Mirror: challenge/condor/scoring.py, which gives the same digits.
 */
export function crpsScore(forecast: Forecast, truth: StepTruth): ScoreResult {
  const observed = observedSteps(forecast, truth);
  let crps = 0;
  let logScore = 0;
  for (const { mixture, value } of observed) {
    crps = crps + thresholdCrps(mixture, value, truth.bound);
    logScore = logScore + robustLog(Math.min(pdf(mixture, value), DENSITY_CEILING));
  }
  crps = crps / observed.length;
  return {
    value: (crps * BASIS_POINTS) / Math.sqrt(truth.step / BASE_STEP_SECONDS),
    crps,
    log_score: logScore / observed.length,
    steps: observed.length,
  };
}

/** As the public game scores: mean density over the steps. Larger is better; throws where it is infinite. */
export function densityScore(forecast: Forecast, truth: StepTruth): ScoreResult {
  const observed = observedSteps(forecast, truth);
  const value = meanDensity(
    observed.map((o) => o.mixture),
    observed.map((o) => o.value),
  );
  if (!Number.isFinite(value)) throw new Error(`the mean density is ${value}: no finite score`);
  return { value, steps: observed.length };
}

function observedSteps(forecast: Forecast, { returns }: StepTruth): { mixture: Mixture; value: number }[] {
  const mixtures = mixturesOf(forecast);
  if (mixtures.length !== returns.length)
    throw new Error(`distributions: must hold ${returns.length}, one for each step; holds ${mixtures.length}`);
  return returns.flatMap((value, k) => (value === null ? [] : [{ mixture: mixtures[k]!, value }]));
}
