import { z } from "zod";
import type { Density, Mixture } from "../../domain/density/density.ts";
import { type DensityLimits, parseDensity } from "../../domain/density/parse.ts";
import type { Scope } from "../competition.ts";

/** What a forecast may hold. Mirror: challenge/condor/forecast.py; README.md repeats the figures. */
const DENSITY_LIMITS: DensityLimits = {
  maxLeaves: 3,
  maxDepth: 3,
  maxLoc: 10,
  minScale: 1e-7,
  maxScale: 10,
  minShape: 0.1,
  maxShape: 10_000,
};
const MAX_STEPS = 1_000;
/** More would only fill a log. */
const MAX_PROBLEMS = 5;

/** One distribution of a log return per step, the nearest first. */
export interface Forecast {
  distributions: Density[];
  /** seconds after the due time at which each step ends, where the model wrote it */
  steps?: (number | null)[];
}

/**
 * Takes what models of the public game return: a list of distributions, or {distributions: [...]}; each one bare, with its `step`
 * beside it, or as {step, prediction}. What nobody reads is dropped; every problem is named by its place.
 */
export const forecast: z.ZodType<Forecast> = z.unknown().transform((answer, context): Forecast => {
  const complain = (path: (string | number)[], message: string): undefined => {
    context.addIssue({ code: "custom", path: ["distributions", ...path], message });
  };
  const list = listOf(answer);
  if (!list) complain([], "must be a list of distributions, one for each step");
  else if (list.length > MAX_STEPS) complain([], `holds ${list.length}: at most ${MAX_STEPS}`);
  else return readList(list, complain);
  return z.NEVER;
});

type Complain = (path: (string | number)[], message: string) => undefined;

function readList(list: readonly unknown[], complain: Complain): Forecast {
  let problems = 0;
  const steps = list.map((entry) => field(entry, "step") ?? null);
  const distributions = list.flatMap((entry, k) => {
    if (problems >= MAX_PROBLEMS) return [];
    const wrapped = field(entry, "prediction");
    const parsed = parseDensity(wrapped ?? entry, DENSITY_LIMITS);
    if ("density" in parsed) return [parsed.density];
    for (const { path, message } of parsed.problems)
      if (problems++ < MAX_PROBLEMS) complain([k, ...(wrapped === undefined ? [] : ["prediction"]), ...path], message);
    return [];
  });
  const written = steps.some((step) => step !== null);
  return written ? { distributions, steps: steps.map((s) => (typeof s === "number" ? s : null)) } : { distributions };
}

const listOf = (answer: unknown): readonly unknown[] | undefined => {
  const list = Array.isArray(answer) ? answer : field(answer, "distributions");
  return Array.isArray(list) ? list : undefined;
};
const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)[name]
    : undefined;

/** What only the question says: how many steps there are, and where they end. Throws with the place; the steps are not kept. */
export function fitsQuestion({ distributions, steps }: Forecast, scope: Scope): Forecast {
  const [horizon, step] = [Number(scope.horizon), Number(scope.step)];
  const count = horizon / step;
  if (distributions.length !== count)
    throw new Error(
      `distributions: must hold ${count}, one for each step of ${step} s up to ${horizon} s; holds ${distributions.length}`,
    );
  const wrong = steps?.findIndex((end, k) => end !== null && end !== (k + 1) * step) ?? -1;
  if (wrong >= 0)
    throw new Error(
      `distributions.${wrong}.step: must be ${(wrong + 1) * step}, the nearest step first; is ${steps![wrong]}`,
    );
  return { distributions };
}

/** The distributions ready to be evaluated; throws for a forecast that did not pass the schema. */
export const mixturesOf = ({ distributions }: Forecast): Mixture[] =>
  distributions.map((distribution, k) => {
    const parsed = parseDensity(distribution, { ...DENSITY_LIMITS, maxLeaves: Number.POSITIVE_INFINITY, maxDepth: 5 });
    if ("mixture" in parsed) return parsed.mixture;
    const { path, message } = parsed.problems[0]!;
    throw new Error(`${["distributions", k, ...path].join(".")}: ${message}`);
  });
