import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sealOf } from "../../../activities/seal.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import type { Competition } from "../../../competitions/competition.ts";
import type { Database } from "../../../db/database.ts";
import { PERIOD, seedPeriod, testDatabase } from "./world.ts";

type Own = Partial<Pick<Competition, "emission" | "buildEmission">>;
let [db, close]: [Database, () => Promise<void>] = [] as never;
beforeAll(async () => {
  ({ db, close } = await testDatabase());
  await seedPeriod(db, PERIOD); // m0 to m5 score 0 to 5; m0 and m4 are cruncher c0's, m1 and m5 c1's
});
afterAll(() => close?.());

const seal = (own: Own) => {
  const ranking = { key: "overall", direction: "desc" as const };
  const settings = {
    crunch: "crunch",
    contract: { ranking, windows: [], ...own },
    computeProvider: "",
    dataProvider: "",
  };
  return sealOf(db, localRegistry, settings, PERIOD);
};
const rewardsOf = async (own: Own) => {
  const { phase, cause, meta } = await seal(own);
  const { recipients, emission_rule } = meta as {
    recipients: { cruncher_id: string; frac64: number }[];
    emission_rule: unknown;
  };
  return { phase, cause, emission_rule, shares: Object.fromEntries(recipients.map((r) => [r.cruncher_id, r.frac64])) };
};

describe("a period is sealed by the contract's emission", () => {
  it("by its own tiers", async () => {
    expect(await rewardsOf({ emission: { strategy: "tier", tiers: [70, 20, 10] } })).toMatchObject({
      phase: "SEALED",
      emission_rule: { strategy: "tier", tiers: [70, 20, 10] },
      shares: { c1: 700_000_000, c0: 200_000_000, c3: 100_000_000 },
    });
  });
  it("by contribution", async () => {
    const { phase, shares, emission_rule } = await rewardsOf({ emission: { strategy: "contribution_weighted" } });
    expect(phase).toBe("SEALED");
    expect(emission_rule).toMatchObject({ weights: { rank: 0.5, contribution: 0.3, diversity: 0.2 }, minPercent: 1 });
    expect(Object.values(shares).reduce((a, b) => a + b, 0)).toBe(1_000_000_000);
  });
  it("by its own function, whose weights are kept", async () => {
    const buildEmission: Competition["buildEmission"] = async (models) =>
      Object.fromEntries(models.filter((m) => m.rank <= 3).map((m) => [m.modelId, m.predictionCount]));
    expect(await rewardsOf({ buildEmission })).toMatchObject({
      phase: "SEALED",
      emission_rule: {
        strategy: "custom",
        weights: [
          { model_id: "m5", weight: "15" },
          { model_id: "m4", weight: "14" },
          { model_id: "m3", weight: "13" },
        ],
      },
      shares: { c1: 357_142_857, c0: 333_333_333, c3: 309_523_810 },
    });
  });
});

describe("a function that fails blocks the checkpoint, with the cause and what to do", () => {
  const throwing = () => {
    throw new Error("the weights are away");
  };
  it.each<[string, NonNullable<Competition["buildEmission"]>, string]>([
    ["it throws", throwing, "buildEmission throws the weights are away; mend the contract"],
    ["it rejects", async () => throwing(), "buildEmission throws the weights are away"],
    ["it names a stranger", () => ({ m9: 1 }), '"m9", which is not among the ranked models'],
    ["it answers fractions", () => ({ m5: 0.5 }), "the weight 0.5: write a whole number"],
    ["it gives nobody anything", () => ({}), "none of the 6 ranked models"],
    ["it answers nothing", () => undefined as never, "answers no weights"],
  ])("%s", async (_name, buildEmission, cause) => {
    const sealed = await seal({ buildEmission });
    expect(sealed).toMatchObject({ phase: "BLOCKED", entries: [], emissionHash: "" });
    expect(sealed.cause).toContain(cause);
    expect(sealed.meta).toMatchObject({ model_count: 6, recipients: [], emission_rule: null });
  });
});
