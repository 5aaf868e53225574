import type { Density, Leaf, Mixture } from "./density.ts";
import { FAMILIES } from "./families.ts";

/** What a competition takes; the public packages' values are the defaults. */
export interface DensityLimits {
  /** terms of a mixture, all levels together */
  maxLeaves?: number;
  /** mixtures inside mixtures: 3 as densitypdf has it */
  maxDepth?: number;
  /** bounds of |loc| and of scale */
  maxLoc?: number;
  minScale?: number;
  maxScale?: number;
  /** bounds of every shape parameter */
  minShape?: number;
  maxShape?: number;
}

/** What is wrong, and where. */
interface Problem {
  path: (string | number)[];
  message: string;
}
/** `density` is what was written without what nobody reads; to parse it again gives the same mixture to the last bit. */
export type ParsedDensity = { mixture: Mixture; density: Density } | { problems: readonly Problem[] };

const DEFAULTS: Required<DensityLimits> = {
  maxLeaves: Number.POSITIVE_INFINITY,
  maxDepth: 3,
  maxLoc: Number.MAX_VALUE,
  minScale: Number.MIN_VALUE,
  maxScale: Number.MAX_VALUE,
  minShape: Number.MIN_VALUE,
  maxShape: Number.MAX_VALUE,
};
/** More would only fill a log. */
const MAX_PROBLEMS = 5;

interface Reading {
  limits: Required<DensityLimits>;
  leaves: Leaf[];
  problems: Problem[];
}

/**
 * Reads a distribution that somebody else wrote: the scipy-named families with loc and scale ("scipy" may leave those out), and
 * mixtures whose weights count by their size (|w| over the sum). Every problem has its path. Mirror: challenge/condor/parse.py.
 */
export function parseDensity(value: unknown, limits: DensityLimits = {}): ParsedDensity {
  const reading: Reading = { limits: { ...DEFAULTS, ...limits }, leaves: [], problems: [] };
  const density = read(value, { path: [], weight: 1, depth: 0 }, reading);
  return density && reading.problems.length === 0
    ? { mixture: reading.leaves, density }
    : { problems: reading.problems };
}

interface Place {
  path: (string | number)[];
  weight: number;
  depth: number;
}

function read(value: unknown, place: Place, reading: Reading): Density | undefined {
  if (reading.problems.length >= MAX_PROBLEMS) return undefined;
  if (!isObject(value)) return complain(reading, place.path, "must be a distribution: {type, name, params}");
  if (value.type === "mixture") return readMixture(value, place, reading);
  if (value.type !== "builtin" && value.type !== "scipy" && value.type !== "statistics")
    return complain(reading, [...place.path, "type"], "must be builtin, scipy, statistics or mixture");
  return readLeaf(value, value.type, place, reading);
}

function readMixture(
  value: Record<string, unknown>,
  { path, weight, depth }: Place,
  reading: Reading,
): Density | undefined {
  const { components } = value;
  const at = [...path, "components"];
  if (!Array.isArray(components)) return complain(reading, at, "must be a list of {density, weight}");
  if (depth >= reading.limits.maxDepth)
    return complain(reading, path, `is nested too deep: at most ${reading.limits.maxDepth} levels of mixtures`);
  if (reading.leaves.length + components.length > reading.limits.maxLeaves)
    return complain(reading, at, `has ${components.length} terms: at most ${reading.limits.maxLeaves} in all`);
  const weights = components.map((c: unknown, i) => weightOf(c, [...at, i], reading));
  let sum = 0;
  for (const w of weights) sum = sum + w;
  if (!(sum > 0 && sum < Number.POSITIVE_INFINITY)) return complain(reading, at, "weights must add up to more than 0");
  const kept = components.flatMap((component: unknown, i) => {
    if (!(weights[i]! > 0 && isObject(component))) return [];
    const place = { path: [...at, i, "density"], weight: (weight * weights[i]!) / sum, depth: depth + 1 };
    const density = read(component.density, place, reading);
    return density ? [{ density, weight: weights[i]! }] : [];
  });
  return { type: "mixture", components: kept };
}

function weightOf(component: unknown, path: (string | number)[], reading: Reading): number {
  const weight = isObject(component) ? component.weight : undefined;
  if (isNumber(weight)) return Math.abs(weight);
  complain(reading, [...path, "weight"], "must be a finite number");
  return 0;
}

type LeafType = Exclude<Density["type"], "mixture">;

function readLeaf(
  value: Record<string, unknown>,
  type: LeafType,
  { path, weight }: Place,
  reading: Reading,
): Density | undefined {
  const statistics = type === "statistics";
  const name = statistics ? (value.name === "normal" ? "norm" : "") : String(value.name);
  const family = Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
  if (!family) {
    const known = statistics ? "normal" : Object.keys(FAMILIES).join(", ");
    return complain(reading, [...path, "name"], `is not known; one of ${known}`);
  }
  const given = isObject(value.params) ? value.params : {};
  const params: Record<string, unknown> = type === "scipy" ? { loc: 0, scale: 1, ...given } : given;
  const at = [...path, "params"];
  const { limits } = reading;
  const read: Record<string, number> = {};
  const number = (key: string, least: number, most: number): number => {
    const v = params[key];
    if (!isNumber(v)) complain(reading, [...at, key], v === undefined ? "is missing" : "must be a finite number");
    else if (v < least || v > most) complain(reading, [...at, key], rangeText(least, most));
    else read[key] = v;
    return read[key] ?? Number.NaN;
  };
  const shapes = family.shapes.map((key) => number(key, limits.minShape, limits.maxShape));
  const loc = number(statistics ? "mu" : "loc", -limits.maxLoc, limits.maxLoc);
  const scale = number(statistics ? "sigma" : "scale", limits.minScale, limits.maxScale);
  if (reading.leaves.length >= limits.maxLeaves)
    complain(reading, path, `is one term too many: at most ${limits.maxLeaves} in all`);
  reading.leaves.push({ family: name, shapes, loc, scale, weight });
  return { type, name: String(value.name), params: read };
}

const rangeText = (least: number, most: number): string =>
  least === Number.MIN_VALUE ? "must be positive" : `must be from ${least} to ${most}`;

function complain(reading: Reading, path: (string | number)[], message: string): undefined {
  if (reading.problems.length < MAX_PROBLEMS) reading.problems.push({ path, message });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
