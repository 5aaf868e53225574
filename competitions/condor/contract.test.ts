import { describe, expect, test } from "vitest";
import { z } from "zod";
import { leaderboardColumn, metricsWidget } from "../../api/contract/report-schema.ts";
import { combineOutputs } from "../../domain/ensembles.ts";
import { loadCompetition } from "../load.ts";
import { condor } from "./contract.ts";
import densityGame from "./density-game.ts";
import type { Forecast } from "./forecast.ts";

const settings = { dryRun: true, granularityMs: 60_000 };
const records = [1, 2, 3].map((minute) => ({
  subject: "BTCUSDT",
  tsEvent: minute * 60_000,
  tsFinal: (minute + 1) * 60_000,
  values: { open: 1, close: 100 + minute },
  segment: "",
}));

describe("the pack", () => {
  test.each(["competition", "density-game"])("%s passes every check of the start", async (name) => {
    const loaded = await loadCompetition(`competitions/condor/${name}.ts`, ["BTCUSDT", "ETHUSDT"], settings);
    expect(loaded.scopes.map((s) => s.scopeKey)).toEqual([
      "BTC-3600-300",
      "ETH-3600-300",
      "BTC-3600-3600",
      "ETH-3600-3600",
      "BTC-86400-3600",
      "ETH-86400-3600",
      "BTC-86400-21600",
      "ETH-86400-21600",
    ]);
    expect(loaded.scopes.map((s) => s.phaseMs)).toEqual([0, 360_000, 0, 360_000, 0, 1_800_000, 0, 1_800_000]);
    expect(Object.keys(loaded.contractBody.sources).join()).toContain("score.ts");
  });

  test("models see assets by their short names, candles at their end", () => {
    const input = condor().buildInput("BTCUSDT", 300_000, records);
    expect(input).toEqual({
      BTC: [
        [120, 101],
        [180, 102],
        [240, 103],
      ],
    });
    expect(condor().input.safeParse(input).success).toBe(true);
  });

  test("columns and widgets are what the report schema wants, of fields that exist", () => {
    const contract = condor();
    const columns = z.array(leaderboardColumn).parse(contract.leaderboardColumns);
    const widgets = z.array(metricsWidget).parse(contract.metricsWidgets);
    const windows = contract.windows.map((w) => w.name);
    const values = columns.filter((c) => c.type === "VALUE").map((c) => c.property);
    expect(values.toSorted()).toEqual(windows.toSorted());
    expect(widgets.map((w) => w.order)).toEqual([1, 2, 3]);
    expect(new Set([...columns, ...widgets].map((c) => c.displayName)).size).toBe(columns.length + widgets.length);
  });
});

test("an ensemble of forecasts is their mixture, however many terms, and scores no worse than its members do on average", () => {
  const mixture = (...sigmas: number[]) => ({
    type: "mixture" as const,
    components: sigmas.map((scale) => ({
      density: { type: "builtin" as const, name: "norm", params: { loc: 0, scale } },
      weight: 1,
    })),
  });
  const members = [mixture(0.001, 0.002, 0.004), mixture(0.003, 0.005, 0.02)].map((d) => ({ distributions: [d] }));
  const weights = new Map([
    ["a", 1],
    ["b", 1],
  ]);
  const combined = combineOutputs(new Map(members.map((m, i) => ["ab"[i]!, m])), weights) as Forecast;
  const truth = { asset: "BTC", horizon: 300, step: 300, bound: 0.03, returns: [0.0025] };
  const { score } = condor();
  const average = members.reduce((sum, m) => sum + score(m, truth).value, 0) / 2;
  expect(score(combined, truth).value).toBeLessThan(average);
  expect(score(combined, truth).value).toBeGreaterThan(0);
});

describe("the public game's score", () => {
  const normal = { type: "builtin" as const, name: "norm", params: { loc: 0, scale: 0.01 } };
  const truth = { asset: "BTC", horizon: 600, step: 300, bound: 0.03, returns: [0, 0.01] };
  test("is the mean density; steps without a return do not count", () => {
    const peak = 1 / (0.01 * Math.sqrt(2 * Math.PI));
    expect(densityGame.score({ distributions: [normal, normal] }, truth).value).toBeCloseTo(
      (peak * (1 + Math.exp(-0.5))) / 2,
      9,
    );
    expect(densityGame.score({ distributions: [normal, normal] }, { ...truth, returns: [null, 0] })).toMatchObject({
      steps: 1,
      value: expect.closeTo(peak, 9),
    });
  });
  test("is refused where it is infinite", () => {
    const pole = { type: "builtin" as const, name: "gamma", params: { a: 0.5, loc: 0, scale: 0.01 } };
    expect(() => densityGame.score({ distributions: [pole, normal] }, truth)).toThrow("no finite score");
    expect(Number.isFinite(condor().score({ distributions: [pole, normal] }, truth).log_score)).toBe(true);
  });
});
