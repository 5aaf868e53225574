import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apportion } from "./apportion.ts";
import { type Contender, cruncherShares, FRAC64, providerRewards, rank, tierRewards } from "./emission.ts";

const contender = (modelId: string, value: number, more: Partial<Contender> = {}): Contender => ({
  ...{
    modelId,
    modelName: modelId,
    cruncherId: `c-${modelId}`,
    cruncherName: `c-${modelId}`,
    value,
    predictionCount: 10,
  },
  ...more,
});
const field = (...values: number[]) => values.map((value, i) => contender(`m${String(i).padStart(3, "0")}`, value));
const shares = (...values: number[]) => tierRewards(rank(field(...values), "desc")).map((r) => r.frac64);

describe("ranking", () => {
  test("sorts by the contract's direction", () => {
    const ids = (direction: "asc" | "desc") => rank(field(1, 3, 2), direction).map((r) => r.modelId);
    expect(ids("desc")).toEqual(["m001", "m002", "m000"]);
    expect(ids("asc")).toEqual(["m000", "m002", "m001"]);
  });
  test("equal values share a rank and the next one skips", () => {
    expect(rank(field(5, 7, 5, 1), "desc").map((r) => [r.modelId, r.rank])).toEqual([
      ["m001", 1],
      ["m000", 2],
      ["m002", 2],
      ["m003", 4],
    ]);
  });
  test("silent models and values that are no numbers are left out", () => {
    const silent = [contender("a", 9, { predictionCount: 0 }), contender("b", Number.NaN), contender("c", 1)];
    expect(rank(silent, "desc").map((r) => r.modelId)).toEqual(["c"]);
  });
});

describe("tier rewards", () => {
  test.each([
    ["nobody", [], []],
    ["one takes all", [1], [1_000_000_000]],
    ["what three leave is split equally", [3, 2, 1], [500_000_000, 250_000_000, 250_000_000]],
    ["three equal ones share equally, the odd unit to the first", [1, 1, 1], [333_333_334, 333_333_333, 333_333_333]],
    [
      "ten take their tiers",
      [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
      [350, 100, 100, 100, 100, 50, 50, 50, 50, 50].map((m) => m * 1_000_000),
    ],
    [
      "the eleventh has nothing",
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
      [350, 100, 100, 100, 100, 50, 50, 50, 50, 50, 0].map((m) => m * 1_000_000),
    ],
    [
      "a tie across tiers shares what its places have",
      [9, 9, 8, 7, 6, 5, 4, 3, 2, 1],
      [225, 225, 100, 100, 100, 50, 50, 50, 50, 50].map((m) => m * 1_000_000),
    ],
    [
      "a tie over the tenth place shares its tier",
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 1, 1],
      [350, 100, 100, 100, 100, 50, 50, 50, 50, 25, 25].map((m) => m * 1_000_000),
    ],
  ])("%s", (_, values, expected) => expect(shares(...values)).toEqual(expected));

  test("sum to exactly 100 %, and nobody behind has more", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 60 }), (values) => {
        const given = shares(...values);
        expect(given.reduce((a, b) => a + b, 0)).toBe(Number(FRAC64));
        for (const [i, share] of given.entries()) if (i > 0) expect(share).toBeLessThanOrEqual(given[i - 1]!);
      }),
    );
  });
  test("several models of one cruncher are summed; one without a reward gets no entry", () => {
    const models = [
      contender("a", 12, { cruncherId: "x" }),
      ...field(11, 10, 9, 8, 7, 6, 5, 4, 3),
      contender("z", 2),
      contender("b", 1.5, { cruncherId: "x" }),
    ];
    const given = cruncherShares(tierRewards(rank(models, "desc")));
    expect(given[0]).toMatchObject({ cruncherId: "x", frac64: 350_000_000 });
    expect(given.map((g) => g.cruncherId)).not.toContain("c-z");
    expect(given.reduce((sum, g) => sum + g.frac64, 0)).toBe(1_000_000_000);
    const twice = cruncherShares(
      tierRewards(rank([contender("a", 2, { cruncherId: "x" }), contender("b", 1, { cruncherId: "x" })], "desc")),
    );
    expect(twice).toEqual([{ cruncherId: "x", cruncherName: "c-a", frac64: 1_000_000_000 }]);
  });
});

test("a provider has the whole of its pot, no provider has none", () => {
  expect(providerRewards("wallet")).toEqual([{ provider: "wallet", reward_pct: 1_000_000_000 }]);
  expect(providerRewards("")).toEqual([]);
});

describe("apportioning", () => {
  test("is exact, and within one unit of the true share", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 18n }),
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 50 }),
        (total, weights) => {
          const sum = weights.reduce((a, b) => a + b, 0n);
          const given = apportion(total, weights);
          expect(given.reduce((a, b) => a + b, 0n)).toBe(sum === 0n ? 0n : total);
          if (sum > 0n)
            for (const [i, g] of given.entries()) expect([0n, 1n]).toContain(g - (weights[i]! * total) / sum);
        },
      ),
    );
  });
  test("gives odd units to the largest remainders, ties to the earlier", () => {
    expect(apportion(100n, [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
    expect(apportion(10n, [1n, 5n, 5n])).toEqual([1n, 5n, 4n]);
    expect(() => apportion(1n, [-1n])).toThrow("negative");
  });
});
