import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { FAMILIES } from "../../domain/density/families.ts";
import { type Forecast, fitsQuestion, forecast } from "./forecast.ts";
import { crpsScore } from "./score.ts";
import type { StepTruth } from "./truth.ts";

vi.setConfig({ testTimeout: 60_000 }); // Python is started: seconds on a busy machine

const CHALLENGE = join(import.meta.dirname, "challenge");

/** Runs the participants' package over cases, as they would. */
const PROGRAM = `
import json, sys
from condor.scoring import forecast, score
def answer(case):
    try:
        if "truth" in case:
            return score(case["answer"], case["truth"])
        return len(forecast(case["answer"], case["horizon"], case["step"]))
    except ValueError as refusal:
        return str(refusal)
print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
`;
const inPython = (cases: unknown): unknown[] =>
  JSON.parse(
    execFileSync("python3", ["-c", PROGRAM], {
      input: JSON.stringify(cases),
      env: { ...process.env, PYTHONPATH: CHALLENGE, PYTHONDONTWRITEBYTECODE: "1" },
      maxBuffer: 64 * 1024 ** 2,
      encoding: "utf8",
    }),
  );

/** Numbers that repeat: the test is the same each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = seeded(20_261_121);
const between = (least: number, most: number): number => least + (most - least) * random();
const power = (least: number, most: number): number => 10 ** between(least, most);

const leaf = (name: string): Forecast["distributions"][number] => ({
  type: "builtin",
  name,
  params: {
    loc: between(-0.01, 0.01),
    scale: power(-6, -1.5),
    ...Object.fromEntries(
      FAMILIES[name]!.shapes.map((shape) => [shape, name === "lognorm" ? power(-1, 0.7) : power(-0.9, 2.5)]),
    ),
  },
});
const names = Object.keys(FAMILIES);
const anyName = (): string => names[Math.floor(random() * names.length)]!;
const mixture = (count: number): Forecast["distributions"][number] => ({
  type: "mixture",
  components: Array.from({ length: count }, () => ({ density: leaf(anyName()), weight: between(-2, 5) })),
});

const steps: { answer: Forecast["distributions"]; truth: StepTruth }[] = [
  ...names.flatMap((name) => Array.from({ length: 2 }, () => [leaf(name), leaf(name), leaf(name)])),
  ...Array.from({ length: 12 }, () => [mixture(1), mixture(2), mixture(3)]),
].map((answer, i) => ({
  answer,
  truth: {
    asset: "BTC",
    horizon: 900,
    step: 300,
    bound: 0.03,
    returns: [between(-0.02, 0.02), i % 5 === 0 ? null : 0, between(-0.05, 0.05)],
  },
}));

/** What the node says of an answer to a question of two steps. */
function refusal(answer: unknown): string {
  const parsed = forecast.safeParse(answer);
  if (!parsed.success) return parsed.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ");
  try {
    fitsQuestion(parsed.data, { subject: "BTC", horizon: 600, step: 300 });
    return "accepted";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("the participants' package says what the node says", () => {
  test("scores of every family and of mixtures are equal to the last digit", () => {
    const ours = steps.map(({ answer, truth }) => crpsScore(forecast.parse(answer), truth));
    const theirs = inPython(steps);
    expect(ours.every((s) => Number.isFinite(s.value) && s.value > 0)).toBe(true);
    expect(new Set(ours.map((s) => s.value)).size).toBe(ours.length);
    ours.forEach((score, i) => {
      expect(theirs[i], JSON.stringify(steps[i])).toEqual(score);
    });
  });

  const normal = (loc: unknown, scale: unknown) => ({ type: "builtin", name: "norm", params: { loc, scale } });
  const good = normal(0, 0.01);
  const many = (count: number) => ({
    type: "mixture",
    components: Array.from({ length: count }, () => ({ density: good, weight: 1 })),
  });
  const refused: [string, unknown, string][] = [
    ["no list", "norm", "distributions: must be a list of distributions, one for each step"],
    ["nothing", null, "distributions: must be a list of distributions, one for each step"],
    ["empty", [], "distributions: must hold 2, one for each step of 300 s up to 600 s; holds 0"],
    ["wrong count", [good], "distributions: must hold 2, one for each step of 300 s up to 600 s; holds 1"],
    ["negative scale", [good, normal(0, -1)], "distributions.1.params.scale: must be from 1e-7 to 10"],
    ["text", [normal("0", 1), good], "distributions.0.params.loc: must be a finite number"],
    ["missing", [good, normal(0, undefined)], "distributions.1.params.scale: is missing"],
    ["1000 terms", [many(1_000), good], "distributions.0.components: has 1000 terms: at most 3 in all"],
    [
      "wrapped",
      [{ step: 300, prediction: normal(0, 99) }, good],
      "distributions.0.prediction.params.scale: must be from 1e-7 to 10",
    ],
    [
      "steps in the wrong order",
      [
        { ...good, step: 600 },
        { ...good, step: 300 },
      ],
      "distributions.0.step: must be 300, the nearest step first; is 600",
    ],
    [
      "shape",
      [good, { type: "builtin", name: "t", params: { loc: 0, scale: 1, df: 0 } }],
      "distributions.1.params.df: must be from 0.1 to 10000",
    ],
    ["no entry", [good, 7], "distributions.1: must be a distribution: {type, name, params}"],
  ];
  test("refusals have the same words", () => {
    const theirs = inPython(refused.map(([, answer]) => ({ answer, horizon: 600, step: 300 })));
    refused.forEach(([what, answer, words], i) => {
      expect([refusal(answer), theirs[i]], what).toEqual([words, words]);
    });
  });

  test("a list that is not finite is refused although JSON cannot say it", () => {
    const parsed = forecast.safeParse([normal(Number.NaN, 1), normal(0, Number.POSITIVE_INFINITY)]);
    expect(parsed.error?.issues.map((i) => `${i.path.join(".")}: ${i.message}`)).toEqual([
      "distributions.0.params.loc: must be a finite number",
      "distributions.1.params.scale: must be a finite number",
    ]);
  });

  test("what nobody reads is not kept, and what is kept scores the same", () => {
    const answer = [{ ...mixture(3), comment: "x".repeat(1_000), step: 300 }];
    const kept = fitsQuestion(forecast.parse(answer), { subject: "BTC", horizon: 300, step: 300 });
    expect(JSON.stringify(kept)).not.toContain("xxx");
    const truth = { ...steps[0]!.truth, returns: [0.001] };
    expect(crpsScore(forecast.parse(JSON.parse(JSON.stringify(kept))), truth)).toEqual(
      crpsScore(forecast.parse(answer), truth),
    );
  });
});
