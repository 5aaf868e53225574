import { exp, log } from "./elementary.ts";
import { FAMILIES } from "./families.ts";

/** A distribution as models write it, in the form of the public densitypdf package. */
export type Density =
  | { type: "builtin" | "scipy" | "statistics"; name: string; params: Record<string, number> }
  | { type: "mixture"; components: readonly { density: Density; weight: number }[] };

/** One term of a distribution: weight · family((x − loc) / scale). */
export interface Leaf {
  family: string;
  shapes: readonly number[];
  loc: number;
  scale: number;
  weight: number;
}

/** A distribution ready to be evaluated: its leaves, weights adding up to 1. */
export type Mixture = readonly Leaf[];

const zOf = (leaf: Leaf, x: number): number => (x - leaf.loc) / leaf.scale;

/** Density at x; may be infinite where a family has a pole (gamma of shape below 1 at its location). */
export function pdf(mixture: Mixture, x: number): number {
  let sum = 0;
  for (const leaf of mixture)
    sum = sum + (leaf.weight * exp(FAMILIES[leaf.family]!.logPdf(zOf(leaf, x), leaf.shapes))) / leaf.scale;
  return sum;
}

/** Log density at x, also where the density itself is below the smallest double; −Infinity outside the support. */
export function logPdf(mixture: Mixture, x: number): number {
  const terms = mixture.map(
    (leaf) => log(leaf.weight) - log(leaf.scale) + FAMILIES[leaf.family]!.logPdf(zOf(leaf, x), leaf.shapes),
  );
  const largest = terms.reduce((a, b) => Math.max(b, a), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(largest)) return largest;
  return largest + log(terms.reduce((sum, term) => sum + exp(term - largest), 0));
}

/** P(X ≤ x). */
export function cdf(mixture: Mixture, x: number): number {
  let sum = 0;
  for (const leaf of mixture) sum = sum + leaf.weight * FAMILIES[leaf.family]!.cdf(zOf(leaf, x), leaf.shapes);
  return Math.min(sum, 1);
}

/** The mixture of several models' distributions: what an ensemble of them says. Weights need not add up to 1. */
export const mixDensities = (densities: readonly Density[], weights: readonly number[]): Density => ({
  type: "mixture",
  components: densities.map((density, i) => ({ density, weight: weights[i] ?? 0 })),
});
