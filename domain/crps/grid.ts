import { type Mixture, pdf } from "../density/density.ts";
import { type Price, stepChanges } from "../step-returns.ts";

/** Where and how finely crunch-synth integrates. */
export interface Grid {
  from: number;
  until: number;
  points: number;
}

/**
 * CRPS as crunch-synth 0.15 integrates it: the pdf on a grid, divided by its trapezoid integral, summed to a cdf clipped to
 * [0, 1], then the trapezoid of (cdf − [x ≥ y])². A density that falls between all grid points counts as one without mass.
 */
export function crpsGrid(mixture: Mixture, observation: number, { from, until, points }: Grid): number {
  const step = (until - from) / (points - 1);
  const at = (i: number): number => (i === points - 1 ? until : from + i * step);
  const densities = Float64Array.from({ length: points }, (_, i) => pdf(mixture, at(i)));
  const width = at(1) - at(0);
  const mass = trapezoid(densities, at);
  const scale = mass > 0 ? 1 / mass : 1;
  let cumulated = 0;
  const losses = densities.map((density, i) => {
    cumulated += density * scale;
    const gap = Math.min(1, Math.max(0, cumulated * width)) - (at(i) >= observation ? 1 : 0);
    return gap * gap;
  });
  return trapezoid(losses, at);
}

function trapezoid(y: Float64Array, at: (i: number) => number): number {
  let sum = 0;
  for (let i = 1; i < y.length; i++) sum += 0.5 * (y[i]! + y[i - 1]!) * (at(i) - at(i - 1));
  return sum;
}

export interface SynthBounds {
  /** seconds: longer steps widen the grid with the square root of time */
  baseStep: number;
  /** half width of the grid for the base step, in price units; the score is divided by it */
  t: number;
  points: number;
}

/**
 * crunch-synth's score of one prediction: grid CRPS of every price increment of every step, summed, over the asset's bound.
 * `predictions` has step seconds → one distribution an increment; increments whose two prices are the same tick are skipped.
 */
export function crpsIncrements(
  predictions: ReadonlyMap<number, readonly Mixture[]>,
  prices: readonly Price[],
  resolvedAt: number,
  bounds: SynthBounds,
): number {
  let sum = 0;
  for (const [step, mixtures] of predictions) {
    const t = bounds.t * (step > bounds.baseStep ? Math.sqrt(step / bounds.baseStep) : 1);
    const grid = { from: -t, until: t, points: bounds.points };
    stepChanges(prices, { step, count: mixtures.length, end: resolvedAt }).forEach((change, i) => {
      if (change) sum += crpsGrid(mixtures[i]!, change.to - change.from, grid);
    });
  }
  return sum / bounds.t;
}
