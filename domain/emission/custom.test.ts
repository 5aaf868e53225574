import { describe, expect, test } from "vitest";
import { ranked } from "../../tests/contenders.ts";
import { customRule, EmissionRefused } from "./custom.ts";
import { rewardsOf } from "./rule.ts";

const RANKING = ranked(3, 2, 1); // m000, m001, m002
const shares = (answer: unknown): number[] => rewardsOf(customRule(answer, RANKING), RANKING).map((r) => r.frac64);

describe("weights of a contract's own", () => {
  test("become exact shares, whatever their sum", () => {
    expect(shares({ m000: 1, m001: 1, m002: 1 })).toEqual([333_333_334, 333_333_333, 333_333_333]);
    expect(shares({ m002: 3, m000: 1 })).toEqual([250_000_000, 0, 750_000_000]);
    expect(shares({ m000: 10n ** 30n, m001: 0 })).toEqual([1_000_000_000, 0, 0]);
  });
  test("are kept with the seal as plain JSON", () => {
    const rule = customRule({ m001: 5, m000: 2n ** 70n, m002: 0 }, RANKING);
    expect(rule.weights).toEqual([
      { model_id: "m000", weight: "1180591620717411303424" },
      { model_id: "m001", weight: "5" },
    ]);
    expect(rewardsOf(JSON.parse(JSON.stringify(rule)), RANKING)).toEqual(rewardsOf(rule, RANKING));
  });
  test.each([
    ["nothing", undefined, "answers no weights"],
    ["a list", [1, 2], "answers no weights"],
    ["an unknown model", { m000: 1, other: 1 }, '"other", which is not among the ranked'],
    ["a fraction", { m000: 0.5 }, '"m000" the weight 0.5'],
    ["less than nothing", { m000: -1 }, "the weight -1"],
    ["a negative bigint", { m000: -1n }, "the weight -1"],
    ["no number", { m000: Number.NaN }, "the weight NaN"],
    ["text", { m000: "1" }, "the weight 1"],
    ["nobody", { m000: 0 }, "gives none of the 3"],
    ["nobody at all", {}, "gives none of the 3"],
  ])("%s is refused", (_, answer, message) => {
    expect(() => customRule(answer, RANKING)).toThrow(EmissionRefused);
    expect(() => customRule(answer, RANKING)).toThrow(message);
  });
  test("of another ranking are refused", () => {
    const rule = customRule({ m000: 1, m002: 1 }, RANKING);
    expect(() => rewardsOf(rule, ranked(1, 2))).toThrow('"m002", which is not among the ranked');
  });
});
