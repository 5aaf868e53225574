import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { crpsEnsemble, crpsEnsembleAdjusted, crpsEnsembleFair, crpsEnsembleWeighted } from "../domain/crps/ensemble.ts";
import { crpsGaussian, crpsGaussianMixture } from "../domain/crps/gaussian.ts";
import { crpsGrid, crpsIncrements } from "../domain/crps/grid.ts";
import { meanDensity, meanRobustLog } from "../domain/crps/log-score.ts";
import { crpsPaths, observedBlocks, priceChanges } from "../domain/crps/paths.ts";
import { fieldReference, gapOf, gapScore, promptScores, softmax } from "../domain/crps/prompt.ts";
import { crpsVolatility } from "../domain/crps/volatility.ts";
import { logPdf, type Mixture, pdf } from "../domain/density/density.ts";
import { log } from "../domain/density/elementary.ts";
import { parseDensity } from "../domain/density/parse.ts";
import { stepChanges } from "../domain/step-returns.ts";

const folder = resolve(process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors"));
const file = z.object({
  cases: z.array(z.looseObject({ name: z.string(), fn: z.string(), input: z.unknown(), expected: z.unknown() })),
});
const cases = file.parse(JSON.parse(readFileSync(join(folder, "crps.json"), "utf8"), untag)).cases;

function untag(_key: string, value: unknown): unknown {
  return typeof value === "object" && value !== null && "$num" in value ? Number(value.$num) : value;
}

/** Paths at which two answers differ by more than the file's tolerance. */
function differences(ours: unknown, theirs: unknown, relative = 1e-9, path = "$"): string[] {
  if (typeof theirs === "number" && typeof ours === "number") {
    const close = Math.abs(ours - theirs) <= Math.max(1e-12, relative * Math.abs(theirs));
    return close || Object.is(ours, theirs) || ours === theirs ? [] : [`${path}: ${ours} is not ${theirs}`];
  }
  if (typeof theirs === "object" && theirs !== null && typeof ours === "object" && ours !== null) {
    const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    return [...keys].flatMap((key) =>
      differences(
        (ours as Record<string, unknown>)[key],
        (theirs as Record<string, unknown>)[key],
        relative,
        `${path}.${key}`,
      ),
    );
  }
  return ours === theirs ? [] : [`${path}: ${JSON.stringify(ours)} is not ${JSON.stringify(theirs)}`];
}

const numbers = z.array(z.number());
const density = (value: unknown, depth = 3): Mixture => {
  const parsed = parseDensity(value, { maxDepth: depth });
  if ("problems" in parsed) throw new Error(parsed.problems.map((p) => `${p.path.join(".")}: ${p.message}`).join("; "));
  return parsed.mixture;
};
const answers = z.record(z.string(), z.looseObject({ value: z.unknown().optional(), error: z.unknown().optional() }));
const values = (expected: unknown): [string, unknown][] =>
  Object.entries(answers.parse(expected)).map(([name, a]) => [name, a.value]);

const ensembleInput = z.object({ members: numbers, weights: numbers.optional(), observation: z.number() });
const gaussianInput = z.object({ mu: z.number(), sigma: z.number(), observation: z.number() });
const mixtureInput = z.object({ weights: numbers, mus: numbers, sigmas: numbers, observation: z.number() });
const gridInput = z.object({
  density: z.unknown(),
  x: z.number(),
  t_min: z.number(),
  t_max: z.number(),
  num_points: z.number(),
});
const prices = z.array(z.tuple([z.number(), z.number()]).transform(([time, price]) => ({ time, price })));
const incrementsInput = z.object({
  resolved_at: z.number(),
  steps: numbers,
  predictions: z.record(z.string(), z.array(z.unknown())),
  prices,
  bounds: z.object({ base_step: z.number(), t: z.number(), num_points: z.number() }),
});
const pathsInput = z.object({
  simulated_paths: z.array(numbers.or(z.array(z.number().or(z.nan())))),
  real_path: z.array(z.number().or(z.nan())),
  time_increment: z.number(),
});
const changesInput = z.object({
  paths: z.array(numbers),
  interval_steps: z.number(),
  absolute_price: z.boolean(),
  is_gap: z.boolean(),
});
const densityInput = z.object({ density: z.unknown(), xs: numbers });
const condorInput = z.object({
  prices,
  horizon: z.number(),
  step: z.number(),
  resolvable_at: z.number(),
  status: z.string(),
  distributions: z.array(z.unknown()).nullable(),
});
const condorBatch = z.object({ prices, predictions: z.array(condorInput.omit({ prices: true })) });

/** As the public game scores: mean density of the log returns; null: failed. */
function condorScore(input: z.output<typeof condorInput>): number | null {
  const count = input.horizon / input.step;
  if (input.status !== "SUCCESS" || input.distributions?.length !== count) return null;
  const parsed = input.distributions.map((d) => parseDensity(d));
  const mixtures = parsed.flatMap((p) => ("mixture" in p ? [p.mixture] : []));
  if (mixtures.length < count) return null;
  const changes = stepChanges(input.prices, { step: input.step, count, end: input.resolvable_at });
  const score = meanDensity(
    mixtures,
    changes.map((c) => c && log(c.to) - log(c.from)),
  );
  return Number.isFinite(score) ? score : null;
}
const condorAnswer = z.object({ value: z.number().nullable(), success: z.boolean() });

/** One check per function: what differs from the peer, as text. */
const CHECKS: Record<string, (input: unknown, expected: unknown) => string[]> = {
  crps_ensemble: (raw, expected) => {
    const { members, weights, observation } = looseEnsemble(raw);
    const ours = weights ? crpsEnsembleWeighted(members, weights, observation) : crpsEnsemble(members, observation);
    const variants = [ours, crpsEnsembleFair(members, observation), crpsEnsembleAdjusted(members, observation)];
    return values(expected).flatMap(([name, value]) => {
      if (name !== "CRPS.compute") return differences(ours, value, 1e-9, name);
      return Number.isNaN(observation) ? [] : differences(variants, value, 1e-9, name); // the package ignores a truth that is NaN
    });
  },
  crps_gaussian: (raw, expected) => {
    const { mu, sigma, observation } = gaussianInput.parse(raw);
    return againstAll(crpsGaussian(mu, sigma, observation), expected);
  },
  crps_gaussian_mixture: (raw, expected) => {
    const { weights, mus, sigmas, observation } = mixtureInput.parse(raw);
    const terms = weights.map((weight, i) => ({ weight, mu: mus[i]!, sigma: sigmas[i]! }));
    return againstAll(crpsGaussianMixture(terms, observation), expected);
  },
  crps_integral: (raw, expected) => {
    const { density: d, x, t_min, t_max, num_points } = gridInput.parse(raw);
    return againstAll(crpsGrid(density(d), x, { from: t_min, until: t_max, points: num_points }), expected);
  },
  "TrackerEvaluator._score_quarantines": (raw, expected) => {
    const { predictions, steps, bounds, ...input } = incrementsInput.parse(raw);
    const mixtures = new Map(steps.map((s) => [s, predictions[String(s)]!.map((d) => density(d))]));
    const own = { baseStep: bounds.base_step, t: bounds.t, points: bounds.num_points };
    return differences({ value: crpsIncrements(mixtures, input.prices, input.resolved_at, own) }, expected);
  },
  calculate_crps_for_miner: (raw, expected) => {
    const { simulated_paths, real_path, time_increment, scoring_intervals } = pathsInput
      .extend({ scoring_intervals: z.record(z.string(), z.number()) })
      .parse(raw);
    const ours = crpsPaths(simulated_paths, real_path, time_increment, scoring_intervals);
    return values(expected).flatMap(([name, value]) =>
      differences(typeof value === "number" ? ours.score : ours, value, 1e-9, name),
    );
  },
  calculate_vol_crps_for_miner: (raw, expected) => {
    const { simulated_paths, real_path, time_increment, blocks } = pathsInput
      .extend({ blocks: z.record(z.string(), z.tuple([z.number(), z.number()])) })
      .parse(raw);
    return againstAll(crpsVolatility(simulated_paths, real_path, time_increment, blocks), expected);
  },
  label_observed_blocks: (raw, expected) => {
    const input = z.object({ values: z.array(z.number().or(z.nan())) }).parse(raw);
    return againstAll(observedBlocks(input.values), expected);
  },
  calculate_price_changes_over_intervals: (raw, expected) => {
    const { paths, interval_steps, absolute_price, is_gap } = changesInput.parse(raw);
    const how = { steps: interval_steps, absolute: absolute_price, gap: is_gap };
    return againstAll(
      paths.map((path) => priceChanges(path, how)),
      expected,
    );
  },
  compute_prompt_scores: (raw, expected) => againstAll(promptScores(scoresOf(raw)), expected),
  field_reference: (raw, expected) => {
    const reference = fieldReference(scoresOf(raw));
    const gaps = ["None", "1.0", "15.0", "1000000000.0", "-1.0"].map((s) => [
      s,
      reference && gapOf(reference, s === "None" ? null : Number(s)),
    ]);
    return againstAll(reference && { ...reference, gap_of: Object.fromEntries(gaps) }, expected);
  },
  compute_softmax: (raw, expected) => {
    const { scores, beta } = z.object({ scores: z.array(z.any()), beta: z.number() }).parse(raw);
    return againstAll(softmax(scores, beta), expected);
  },
  gap_to_score: (raw, expected) => {
    const { mean_gap, horizon } = z.object({ mean_gap: z.any(), horizon: z.number() }).parse(raw);
    return againstAll(gapScore(mean_gap, horizon), expected);
  },
  robust_mean_log_like: (raw, expected) =>
    againstAll(meanRobustLog(z.object({ densities: z.array(z.any()) }).parse(raw).densities), expected),
  log_density: (raw, expected) => {
    const { density: d, observations } = z.object({ density: z.unknown(), observations: numbers }).parse(raw);
    const mixture = density(d);
    const pdfs = observations.map((x) => pdf(mixture, x));
    const logs = observations.map((x) => logPdf(mixture, x));
    const average = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
    return differences(
      {
        pdf: pdfs,
        log_pdf: logs,
        mean_pdf: average(pdfs),
        mean_log_pdf: average(logs),
        "mean_log_1e-10_plus_pdf": meanRobustLog(pdfs),
      },
      expected,
    );
  },
  density_pdf: densityCheck,
  "condor.ScoreService.score_prediction": (raw, expected) => {
    const { value, success } = condorAnswer.parse((expected as { value: unknown }).value);
    const ours = condorScore(condorInput.parse(raw));
    return [...differences(ours, value), ...differences(ours !== null, success)];
  },
  "condor.ScoreService.score_predictions": (raw, expected) => {
    const { prices: known, predictions } = condorBatch.parse(raw);
    const ours = predictions.map((p) => condorScore({ ...p, prices: known }));
    const fill = Math.min(0, ...ours.filter((s) => s !== null));
    const theirs = z.array(condorAnswer).parse((expected as { value: unknown }).value);
    return differences(
      ours.map((s) => ({ value: s ?? fill, success: s !== null })),
      theirs,
    );
  },
};

/** Members and truth may be NaN or infinite, which zod's numbers are not. */
const looseEnsemble = (raw: unknown): z.output<typeof ensembleInput> => raw as z.output<typeof ensembleInput>;
const scoresOf = (raw: unknown): number[] => (raw as { scores: number[] }).scores;
const againstAll = (ours: unknown, expected: unknown): string[] =>
  values(expected).flatMap(([name, value]) => differences(ours, value, name === "scipy_quad" ? 1e-7 : 1e-9, name));

/**
 * Where the two public packages differ, ours sides with one of them: four levels of mixtures are refused as in densitypdf, statistics
 * normal is taken as in crunch-synth. Ours alone refuses what is no distribution: a parameter NaN, weights that add up to 0.
 */
function densityCheck(raw: unknown, expected: unknown): string[] {
  const input = densityInput.parse(raw);
  const peers = Object.entries(expected as Record<string, unknown>).map(([name, answer]) => ({
    name,
    pdfs: Array.isArray(answer)
      ? answer.map((a: { value?: number }) => a.value)
      : (answer as { value?: number[] }).value,
  }));
  const answered = peers.filter((p) => p.pdfs?.every((v) => v !== undefined));
  const parsed = parseDensity(input.density);
  if ("problems" in parsed) {
    const noDistribution = answered.every((p) => p.pdfs!.every((v) => v === 0 || Number.isNaN(v)));
    return answered.length < peers.length || noDistribution ? [] : [`refused: ${JSON.stringify(parsed.problems)}`];
  }
  if (answered.length === 0) return ["accepted what both peers refuse"];
  const ours = input.xs.map((x) => pdf(parsed.mixture, x));
  return answered.flatMap(({ name, pdfs }) => differences(ours, pdfs, 1e-9, name));
}

describe("crps.json", () => {
  test("every function of the file is checked", () => {
    expect([...new Set(cases.map((c) => c.fn))].filter((fn) => !(fn in CHECKS))).toEqual([]);
    expect(cases.length).toBeGreaterThan(50);
  });
  test.each(cases.map((c) => [`${c.fn} ${c.name}`, c] as const))("%s", (_title, c) => {
    expect(CHECKS[c.fn]!(c.input, c.expected)).toEqual([]);
  });
});
