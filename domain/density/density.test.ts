import { describe, expect, test } from "vitest";
import { cdf, logPdf, type Mixture, mixDensities, pdf } from "./density.ts";
import { exp, log, log1p } from "./elementary.ts";
import { erf, erfc } from "./error-function.ts";
import { FAMILIES } from "./families.ts";
import { logBeta, logGamma } from "./gamma-function.ts";
import { parseDensity } from "./parse.ts";

const leaf = (family: string, shapes: number[] = [], loc = 0, scale = 1): Mixture => [
  { family, shapes, loc, scale, weight: 1 },
];
const builtin = (name: string, params: Record<string, number>) => ({ type: "builtin" as const, name, params });
const normal = builtin("norm", { loc: 0, scale: 1 });

describe("elementary functions", () => {
  test("agree with the library's to the last bits", () => {
    for (let x = -700; x < 700; x += 0.7134) expect(exp(x) / Math.exp(x)).toBeCloseTo(1, 14);
    expect(log1p(1e-20)).toBe(1e-20);
    for (const x of [5e-324, 1e-300, 0.3, 0.999999, 1, 1.0000001, 7, 1e300]) {
      expect(log(x)).toBeCloseTo(Math.log(x), 12);
      expect(log1p(-x / 3e300)).toBeCloseTo(Math.log1p(-x / 3e300), 15);
    }
    expect([exp(710), exp(-746), log(0), log(-1), exp(Number.NaN)]).toEqual([
      Number.POSITIVE_INFINITY,
      0,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      Number.NaN,
    ]);
  });
  test("error and gamma functions have their known values", () => {
    expect(erf(0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(erfc(5) / 1.537459794428035e-12).toBeCloseTo(1, 13);
    expect(erfc(-1)).toBeCloseTo(1.8427007929497148, 15);
    expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 14);
    expect(logGamma(171)).toBeCloseTo(706.5730622457875, 10);
    expect(logBeta(2, 3)).toBeCloseTo(Math.log(1 / 12), 14);
    expect(logBeta(1e8, 0.5)).toBeCloseTo(0.5 * Math.log(Math.PI) - 0.5 * Math.log(1e8 - 0.25), 9);
  });
});

/** scipy 1.17's cdf and log pdf at loc 0.1 and scale 1.3. */
const REFERENCE: [string, number[], x: number, cdf: number, logPdf: number][] = [
  ["norm", [], -2.3, 0.03243493513997956, -2.885444809506483],
  ["norm", [], 7.7, 0.999999997484656, -18.27006019412187],
  ["lognorm", [0.5], 1.2, 0.3691489678614415, -0.37691566685434885],
  ["lognorm", [2], 0.4, 0.23172782205293063, -0.6768809593533943],
  ["expon", [], 2, 0.7681207371518076, -1.7239027260059525],
  ["t", [4], -3, 0.03780442954384842, -3.454262270799644],
  ["t", [1.5], 0.7, 0.6487610740903362, -1.505003891776647],
  ["t", [300], 0.9, 0.7306163549466631, -1.3719965977548938],
  ["weibull_min", [1.5], 1.1, 0.49067044434120644, -0.662741303444633],
  ["weibull_min", [0.6], 0.2, 0.19313758156169683, 0.038187744298126325],
  ["weibull_max", [1.5], -0.4, 0.7877863654245706, -0.5731832146215227],
  ["gamma", [2], 2, 0.429220276065988, -1.3444131043010488],
  ["gamma", [0.3], 0.2, 0.5072075239624398, 0.36037921401443196],
  ["gamma", [250], 330, 0.6018957110510921, -3.9854627786948225],
  ["beta", [2, 3], 0.6, 0.4980567907286159, 0.2960153087296713],
  ["beta", [0.5, 40], 0.15, 0.9225764271634311, 1.1060260570625051],
  ["chi", [3], 2, 0.45535485155609495, -0.7972237109805174],
  ["chi", [1], 0.5, 0.2416835264737096, -0.5354928952187272],
  ["chi2", [3], 4, 0.6083748237289109, -2.131996653338109],
  ["chi2", [80], 120, 0.8349029487057846, -4.287938257820224],
  ["rayleigh", [], 1, 0.2130928131882365, -0.8697340150070096],
  ["pareto", [2], 3, 0.7990487514863258, -1.9762565014823577],
  ["pareto", [0.7], 2, 0.23328700185308981, -1.2641715653045598],
  ["cauchy", [], -6, 0.06683664498076596, -4.5433598720063095],
  ["laplace", [], 0.9, 0.7297835017567329, -1.5708960604120517],
  ["laplace", [], -2, 0.0994070943690371, -2.5708960604120517],
  ["f", [3, 6], 1.4, 0.5452752542346463, -1.2453063938764062],
  ["f", [40, 2], 9, 0.8645582411471378, -4.262551725707736],
];

describe("families", () => {
  test.each(REFERENCE)("%s %j at %d is scipy's", (family, shapes, x, probability, density) => {
    expect(cdf(leaf(family, shapes, 0.1, 1.3), x)).toBeCloseTo(probability, 12);
    expect(logPdf(leaf(family, shapes, 0.1, 1.3), x)).toBeCloseTo(density, 11);
  });
  test("each family has a reference", () => {
    expect(new Set(REFERENCE.map(([family]) => family))).toEqual(new Set(Object.keys(FAMILIES)));
  });
  test("the log density goes on where the density is 0", () => {
    expect(pdf(leaf("norm"), 50)).toBe(0);
    expect(logPdf(leaf("norm"), 50)).toBeCloseTo(-1250.9189385332047, 9);
    expect(logPdf(leaf("expon"), -1)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("mixtures", () => {
  test("weights count by their size, at every level", () => {
    const inner = mixDensities([normal, builtin("norm", { loc: 2, scale: 1 })], [3, -1]);
    const parsed = parseDensity(mixDensities([inner, builtin("expon", { loc: 0, scale: 1 })], [1, 1]));
    expect("mixture" in parsed && parsed.mixture.map((l) => l.weight)).toEqual([0.375, 0.125, 0.5]);
  });
  test("a mixture of equals is the same distribution", () => {
    const parsed = parseDensity(mixDensities([normal, normal, normal], [1, 2, 3]));
    if (!("mixture" in parsed)) throw new Error("refused");
    for (const x of [-3, 0, 1.7]) {
      expect(cdf(parsed.mixture, x)).toBeCloseTo(cdf(leaf("norm"), x), 15);
      expect(logPdf(parsed.mixture, x)).toBeCloseTo(logPdf(leaf("norm"), x), 14);
    }
  });
});

describe("parseDensity says what is wrong, and where", () => {
  const limits = { maxLeaves: 3, maxLoc: 1, minScale: 1e-7, maxScale: 1, minShape: 0.5, maxShape: 100 };
  const problems = (value: unknown): string[] => {
    const parsed = parseDensity(value, limits);
    return "problems" in parsed ? parsed.problems.map((p) => `${p.path.join(".")} ${p.message}`) : [];
  };
  test.each<[string, unknown, string]>([
    ["no object", [], " must be a distribution: {type, name, params}"],
    ["type", { name: "norm" }, "type must be builtin, scipy, statistics or mixture"],
    ["name", builtin("normal", {}), "name is not known; one of norm, lognorm"],
    ["prototype", builtin("constructor", { loc: 0, scale: 1 }), "name is not known"],
    ["negative scale", builtin("norm", { loc: 0, scale: -1 }), "params.scale must be from 1e-7 to 1"],
    ["NaN", builtin("norm", { loc: Number.NaN, scale: 1 }), "params.loc must be a finite number"],
    ["text", { ...normal, params: { loc: 0, scale: "1" } }, "params.scale must be a finite number"],
    ["missing", builtin("t", { loc: 0, scale: 1 }), "params.df is missing"],
    ["far away", builtin("norm", { loc: 1e300, scale: 1 }), "params.loc must be from -1 to 1"],
    [
      "1000 terms",
      mixDensities(Array(1000).fill(normal), Array(1000).fill(1)),
      "components has 1000 terms: at most 3 in all",
    ],
    ["no weight", mixDensities([normal], [0]), "components weights must add up to more than 0"],
    ["weight text", { type: "mixture", components: [{ density: normal, weight: "x" }] }, "components.0.weight must be"],
    [
      "terms of nested mixtures",
      mixDensities([mixDensities([normal, normal], [1, 1]), mixDensities([normal, normal], [1, 1])], [1, 1]),
      "components has 2 terms: at most 3 in all",
    ],
  ])("%s", (_what, value, message) => {
    expect(problems(value)[0]).toContain(message);
  });
  test("a deep nest ends the reading, not the process", () => {
    let nested: unknown = normal;
    for (let i = 0; i < 10_000; i++) nested = { type: "mixture", components: [{ density: nested, weight: 1 }] };
    expect(problems(nested)[0]).toContain("is nested too deep: at most 3 levels of mixtures");
  });
  test("a mixture without limits may be large", () => {
    expect("mixture" in parseDensity(mixDensities(Array(1000).fill(normal), Array(1000).fill(1)))).toBe(true);
  });
});
