import { describe, expect, test } from "vitest";
import { contender, field } from "../tests/contenders.ts";
import { cruncherShares, providerRewards, rank } from "./emission.ts";

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

describe("a cruncher's share", () => {
  const given = (...shares: [modelId: string, cruncherId: string, frac64: number][]) =>
    shares.map(([modelId, cruncherId, frac64], i) => ({
      ...contender(modelId, 0, { cruncherId, cruncherName: `of ${modelId}` }),
      ...{ rank: i + 1, frac64 },
    }));
  test("is the sum of its models, in order of the best one", () => {
    expect(cruncherShares(given(["a", "x", 600], ["b", "y", 300], ["c", "x", 100]))).toEqual([
      { cruncherId: "x", cruncherName: "of a", frac64: 700 },
      { cruncherId: "y", cruncherName: "of b", frac64: 300 },
    ]);
  });
  test("of nothing is no entry", () => {
    expect(cruncherShares(given(["a", "x", 0], ["b", "y", 1]))).toEqual([
      { cruncherId: "y", cruncherName: "of b", frac64: 1 },
    ]);
  });
});

test("a provider has the whole of its pot, no provider has none", () => {
  expect(providerRewards("wallet")).toEqual([{ provider: "wallet", reward_pct: 1_000_000_000 }]);
  expect(providerRewards("")).toEqual([]);
});
