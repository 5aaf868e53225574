import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contender, field, ranked } from "../../tests/contenders.ts";
import { type Contender, cruncherShares, FRAC64, type Rewarded, rank } from "../emission.ts";
import { type EmissionRule, rewardsOf, sealedRule } from "./rule.ts";

const LEADERBOARDS = 10_000;

/** 0..500 models with few distinct values, so that many tie, in any order; mostly short lists, some long ones. */
const leaderboard = fc
  .record({
    size: fc.oneof({ weight: 9, arbitrary: fc.nat(30) }, { weight: 1, arbitrary: fc.nat(500) }),
    levels: fc.integer({ min: 1, max: 40 }),
    crunchers: fc.integer({ min: 1, max: 100 }),
    seed: fc.nat(),
  })
  .map(({ size, levels, crunchers, seed }) => {
    const next = generator(seed);
    return Array.from({ length: size }, (_, i): Contender => {
      const cruncherId = `c${next() % crunchers}`;
      const summary = {
        ...(next() % 9 === 0 ? {} : { contribution: (next() % 2_001) / 10_000 - 0.1 }),
        ...(next() % 9 === 0 ? {} : { model_correlation: (next() % 2_001) / 1_000 - 1 }),
      };
      return contender(`m${i}`, next() % levels, { cruncherId, cruncherName: cruncherId, summary });
    });
  });

/** Numbers from a seed, the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

const tiers = fc
  .array(fc.nat(100_000_000), { minLength: 1, maxLength: 15 })
  .map((weights) => weights.toSorted((a, b) => b - a))
  .filter((weights) => weights[0]! > 0)
  .map((weights) => {
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => Math.floor((w / sum) * 1e9) / 1e7);
  });
const rule: fc.Arbitrary<EmissionRule> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<EmissionRule>({ strategy: "tier" }) },
  { weight: 3, arbitrary: tiers.map((t): EmissionRule => ({ strategy: "tier", tiers: t })) },
  { weight: 3, arbitrary: fc.constant<EmissionRule>({ strategy: "contribution_weighted" }) },
);

const sumOf = (shares: readonly { frac64: number }[]): number => shares.reduce((sum, s) => sum + s.frac64, 0);

// Promise R9 of docs: every list, exact, each cruncher once, the same in any order.
test("10,000 random leaderboards: exact, each cruncher once, in any order, never less for a better rank", () => {
  fc.assert(
    fc.property(leaderboard, rule, fc.nat(), (contenders, given, seed) => {
      const applied = sealedRule(given);
      const rewarded = rewardsOf(applied, rank([...contenders], "desc"));
      const total = contenders.length === 0 ? 0 : Number(FRAC64);
      expect(sumOf(rewarded)).toBe(total);
      for (const { frac64 } of rewarded) if (!Number.isSafeInteger(frac64) || frac64 < 0) expect.fail(`${frac64}`);
      const crunchers = cruncherShares(rewarded);
      expect(new Set(crunchers.map((c) => c.cruncherId)).size).toBe(crunchers.length);
      expect(sumOf(crunchers)).toBe(total);
      const next = generator(seed);
      const shuffled = contenders.map((c) => [next(), c] as const).sort(([a], [b]) => a - b);
      const again = rewardsOf(
        applied,
        rank(
          shuffled.map(([, c]) => c),
          "desc",
        ),
      );
      const lineOf = (r: Rewarded) => `${r.modelId} ${r.rank} ${r.frac64}`;
      expect(again.map(lineOf).join()).toBe(rewarded.map(lineOf).join());
      if (given.strategy === "tier")
        for (const [i, { frac64 }] of rewarded.entries())
          if (i > 0 && frac64 > rewarded[i - 1]!.frac64) expect.fail(`place ${i + 1} has more than ${i}`);
    }),
    { numRuns: LEADERBOARDS },
  );
}, 300_000);

describe("a rule with its defaults", () => {
  test("is plain JSON from which the shares follow again", () => {
    for (const given of [undefined, { strategy: "contribution_weighted" } as const]) {
      const sealed = sealedRule(given);
      const stored = JSON.parse(JSON.stringify(sealed));
      expect(stored).toEqual(sealed);
      expect(rewardsOf(stored, ranked(3, 2, 1))).toEqual(rewardsOf(sealed, ranked(3, 2, 1)));
    }
    expect(sealedRule()).toEqual({ strategy: "tier", tiers: [35, 10, 10, 10, 10, 5, 5, 5, 5, 5] });
    expect(sealedRule({ strategy: "contribution_weighted" })).toEqual({
      strategy: "contribution_weighted",
      weights: { rank: 0.5, contribution: 0.3, diversity: 0.2 },
      minPercent: 1,
    });
  });
  test("several models of one cruncher are summed; one without a reward gets no entry", () => {
    const own = { cruncherId: "x", cruncherName: "x" };
    const models = [
      contender("a", 12, own),
      ...field(11, 10, 9, 8, 7, 6, 5, 4, 3),
      contender("z", 2),
      contender("b", 1.5, own),
    ];
    const given = cruncherShares(rewardsOf(sealedRule(), rank(models, "desc")));
    expect(given[0]).toMatchObject({ cruncherId: "x", frac64: 350_000_000 });
    expect(given.map((g) => g.cruncherId)).not.toContain("c-z");
    expect(sumOf(given)).toBe(1_000_000_000);
    expect(
      cruncherShares(rewardsOf(sealedRule(), rank([contender("a", 2, own), contender("b", 1, own)], "desc"))),
    ).toEqual([{ cruncherId: "x", cruncherName: "x", frac64: 1_000_000_000 }]);
  });
});
