import { cdf, type Leaf, type Mixture } from "../density/density.ts";
import { FAMILIES } from "../density/families.ts";

/** Gauss–Kronrod nodes and weights of 7 and 15 points on [0, 1] (QUADPACK, Piessens et al. 1983). */
const NODES = [
  0.9914553711208126, 0.9491079123427585, 0.8648644233597691, 0.7415311855993945, 0.5860872354676911,
  0.4058451513773972, 0.20778495500789848,
] as const;
const KRONROD = [
  0.022935322010529224, 0.06309209262997856, 0.10479001032225019, 0.14065325971552592, 0.1690047266392679,
  0.19035057806478542, 0.20443294007529889,
] as const;
const KRONROD_CENTER = 0.20948214108472782;
const GAUSS = [0, 0.1294849661688697, 0, 0.27970539148927664, 0, 0.3818300505051189, 0] as const;
const GAUSS_CENTER = 0.4179591836734694;

/** Places of interest of a distribution, in spreads from its centre. */
const KNOTS = [-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16] as const;
/** A panel is halved while its two rules differ by more than this share of the whole. */
const PRECISION = 1e-7;
const MAX_HALVINGS = 40;
/** A panel over which the cdf rises less is flat. */
const FLAT = 1e-14;

interface Panel {
  from: number;
  until: number;
  /** of the 15-point rule */
  value: number;
  /** difference of both rules */
  doubt: number;
}

/**
 * Threshold-weighted CRPS: ∫ (F(x) − 1{x ≥ y})² dx over [−bound, bound] (Gneiting and Ranjan 2011, weight 1 inside and 0 outside).
 * Proper like the CRPS, equal to it where the bound is far away, never above 2·bound, and finite for every distribution.
 * Lower is better; the unit is that of y. Mirror: challenge/condor/crps.py, in the same order of operations.
 */
export function thresholdCrps(mixture: Mixture, y: number, bound: number): number {
  const observed = y < -bound ? -bound : Math.min(y, bound);
  const edges = edgesOf(mixture, observed, bound);
  const levels = edges.map((x) => cdf(mixture, x));
  const panels: Panel[] = [];
  let whole = 0;
  for (let i = 1; i < edges.length; i++) {
    const from = edges[i - 1]!;
    const until = edges[i]!;
    const panel =
      levels[i]! - levels[i - 1]! < FLAT
        ? { from, until, value: (until - from) * loss(levels[i]!, until > observed), doubt: 0 }
        : integrate(mixture, observed, from, until);
    panels.push(panel);
    whole = whole + panel.value;
  }
  const tolerance = PRECISION * whole;
  let sum = 0;
  for (const panel of panels) sum = sum + refined(mixture, observed, panel, tolerance, 0);
  return sum;
}

/** (F − 1{x ≥ y})². */
const loss = (level: number, above: boolean): number => (above ? (1 - level) * (1 - level) : level * level);

function edgesOf(mixture: Mixture, observed: number, bound: number): number[] {
  const edges = [-bound, observed, bound];
  for (const leaf of mixture) {
    const { center, spread } = placeOf(leaf);
    for (const knot of KNOTS) edges.push(center + spread * knot);
    edges.push(leaf.loc, leaf.loc + leaf.scale); // where supports begin and end
  }
  const inside = edges.filter((x) => x >= -bound && x <= bound).sort((a, b) => a - b);
  return inside.filter((x, i) => i === 0 || x > inside[i - 1]!);
}

function placeOf({ family, shapes, loc, scale }: Leaf): { center: number; spread: number } {
  const { center, spread } = FAMILIES[family]!;
  return { center: loc + scale * center(shapes), spread: scale * spread(shapes) };
}

function integrate(mixture: Mixture, observed: number, from: number, until: number): Panel {
  const middle = 0.5 * (from + until);
  const half = 0.5 * (until - from);
  const above = middle > observed;
  const central = loss(cdf(mixture, middle), above);
  let kronrod = KRONROD_CENTER * central;
  let gauss = GAUSS_CENTER * central;
  for (let i = 0; i < NODES.length; i++) {
    const offset = half * NODES[i]!;
    const pair = loss(cdf(mixture, middle - offset), above) + loss(cdf(mixture, middle + offset), above);
    kronrod = kronrod + KRONROD[i]! * pair;
    gauss = gauss + GAUSS[i]! * pair;
  }
  return { from, until, value: half * kronrod, doubt: Math.abs(half * (kronrod - gauss)) };
}

function refined(mixture: Mixture, observed: number, panel: Panel, tolerance: number, halvings: number): number {
  if (panel.doubt <= tolerance || halvings >= MAX_HALVINGS) return panel.value;
  const middle = 0.5 * (panel.from + panel.until);
  const left = integrate(mixture, observed, panel.from, middle);
  const right = integrate(mixture, observed, middle, panel.until);
  return (
    refined(mixture, observed, left, tolerance, halvings + 1) +
    refined(mixture, observed, right, tolerance, halvings + 1)
  );
}
