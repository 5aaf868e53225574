import { describe, expect, test } from "vitest";
import { contender } from "../../tests/contenders.ts";
import { rank } from "../emission.ts";
import { rewardsOf, sealedRule } from "./rule.ts";
import { compareEmissions, withoutNamed } from "./what-if.ts";

const own = (cruncherId: string) => ({ cruncherId, cruncherName: cruncherId.toUpperCase() });
const FIELD = [
  contender("m1", 4, own("anna")),
  contender("m2", 3, own("bert")),
  contender("m3", 2, own("anna")),
  contender("m4", 1, own("cleo")),
];
const rewarded = (models = FIELD, tiers?: number[]) =>
  rewardsOf(sealedRule(tiers ? { strategy: "tier", tiers } : undefined), rank([...models], "desc"));

describe("leaving out", () => {
  test("goes by id or name of a model or its cruncher", () => {
    expect(withoutNamed(FIELD, ["m2", "CLEO"]).kept.map((c) => c.modelId)).toEqual(["m1", "m3"]);
    expect(withoutNamed(FIELD, ["anna"]).kept.map((c) => c.modelId)).toEqual(["m2", "m4"]);
  });
  test("says which names are nobody's", () => {
    expect(withoutNamed(FIELD, ["m1", "dora"])).toMatchObject({ unknown: ["dora"] });
  });
});

describe("a difference", () => {
  test("of the same is none", () => {
    const { crunchers, models } = compareEmissions(rewarded(), rewarded());
    expect(crunchers.every((c) => c.difference === 0)).toBe(true);
    expect(models.every((m) => m.before === m.after && m.rank.before === m.rank.after)).toBe(true);
  });
  test("shows who gains what others lose, and who is out", () => {
    const { kept } = withoutNamed(FIELD, ["anna"]);
    const { crunchers, models } = compareEmissions(rewarded(), rewarded(kept, [70, 30]));
    expect(crunchers).toEqual([
      { cruncherId: "bert", cruncherName: "BERT", before: 187_500_000, after: 700_000_000, difference: 512_500_000 },
      { cruncherId: "cleo", cruncherName: "CLEO", before: 187_500_000, after: 300_000_000, difference: 112_500_000 },
      { cruncherId: "anna", cruncherName: "ANNA", before: 625_000_000, after: 0, difference: -625_000_000 },
    ]);
    expect(crunchers.reduce((sum, c) => sum + c.difference, 0)).toBe(0);
    expect(models.find((m) => m.modelId === "m1")).toMatchObject({
      rank: { before: 1, after: null },
      value: { before: 4, after: null },
    });
    expect(models.map((m) => m.modelId)).toEqual(["m2", "m4", "m1", "m3"]);
  });
  test("keeps a cruncher that gets nothing either way out of the crunchers, its models in", () => {
    const { crunchers, models } = compareEmissions(rewarded(FIELD, [100]), rewarded(FIELD, [100]));
    expect(crunchers.map((c) => c.cruncherId)).toEqual(["anna"]);
    expect(models).toHaveLength(4);
  });
});
