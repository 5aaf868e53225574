import { describe, expect, test } from "vitest";
import { contractProblems, shapeProblems } from "./check-contract.ts";
import { scheduleNotes, scheduleProblems } from "./check-schedule.ts";
import type { Competition, ScheduledScope } from "./competition.ts";
import { defineCompetition } from "./define.ts";

const good = defineCompetition({ id: "x", score: (p, t) => ({ value: p.value * t.profit }) }) as unknown as Competition;
const problemsOf = (own: object): string[] =>
  contractProblems({ ...good, ...own } as Competition).map(({ where, what }) => `${where}: ${what}`);

test("the standard contract has no mistakes", () => {
  expect(shapeProblems(good)).toEqual([]);
  expect(problemsOf({})).toEqual([]);
});

describe("a mistake is named with its field and what to write", () => {
  test.each([
    [{ windows: [], ranking: { key: "ic", direction: "desc" } }, /^windows: give at least one/],
    [{ windows: [{ name: "score_recent", hours: 0 }] }, /^windows\.0\.hours: 0: write more than 0 hours/],
    [
      {
        windows: [
          { name: "score_recent", hours: 1 },
          { name: "score_recent", hours: 2 },
        ],
      },
      /^windows: the name score_recent is there twice/,
    ],
    [
      {
        windows: [
          { name: "score_recent", hours: 1 },
          { name: "ic", hours: 2 },
        ],
      },
      /^windows: ic is the name of something else/,
    ],
    [{ overall: { score_recent: 0, score_anchor: 0 } }, /^overall: all weights are zero/],
    [{ overall: { score_recent: Number.NaN } }, /^overall\.score_recent: NaN: write a number that is 0 or more/],
    [{ overall: { weekly: 1 } }, /^overall\.weekly: is no window; there are score_recent, score_steady, score_anchor/],
    [{ metrics: ["ic", "sharpe"] }, /^metrics: there is no sharpe; there are ic, ic_sharpe/],
    [{ metrics: ["ic", "ic"] }, /^metrics: ic is there twice/],
    [
      { ranking: { key: "best", direction: "desc" } },
      /^ranking\.key: nothing on the leaderboard is called best; there are score_recent/,
    ],
    [
      { metrics: ["contribution"], ranking: { key: "contribution", direction: "desc" } },
      /^ranking\.key: contribution compares with ensembles, and there are none: declare one/,
    ],
    [{ ranking: { key: "overall", direction: "down" } }, /^ranking\.direction: "down": write asc or desc/],
    [
      { missing: { ...good.missing, FAILED: { kind: "fixed", value: Infinity } } },
      /^missing\.FAILED: fixed value Infinity/,
    ],
    [
      { missing: { ABSENT: { kind: "worst-of-round" }, TIMEOUT: { kind: "worst-of-round" } } },
      /^missing\.FAILED: write \{ kind/,
    ],
    [{ emission: { strategy: "tiers" } }, /^emission\.strategy: "tiers": write tier or contribution_weighted/],
    [{ emission: { strategy: "tier", tiers: [20, 30] } }, /^emission\.tiers: place 2 has more than place 1/],
    [
      {
        emission: { strategy: "contribution_weighted" },
        metrics: ["model_correlation"],
        ensembles: [{ name: "main", strategy: "equal_weight" }],
      },
      /^emission\.strategy: contribution_weighted shares out by the metric contribution: add it to metrics/,
    ],
    [
      { emission: { strategy: "contribution_weighted" }, metrics: ["contribution", "model_correlation"] },
      /^emission\.strategy: contribution_weighted asks what a model adds to an ensemble/,
    ],
    [{ emission: { strategy: "tier" }, buildEmission: () => ({}) }, /^emission: there is buildEmission beside it/],
    [{ ensembles: [{ name: "my best", strategy: "equal_weight" }] }, /^ensembles my best: the name has letters/],
    [
      { ensembles: [{ name: "a", strategy: "best" }] },
      /^ensembles a\.strategy: "best": write equal_weight or inverse_variance/,
    ],
    [
      { ensembles: [{ name: "a", strategy: "equal_weight", filter: { kind: "top_n", n: 0 } }] },
      /^ensembles a\.filter\.n: 0: write a whole/,
    ],
    [
      {
        ensembles: [{ name: "a", strategy: "equal_weight", filter: { kind: "min_metric", metric: "z", threshold: 0 } }],
      },
      /^ensembles a\.filter\.metric: there is no z/,
    ],
    [
      {
        ensembles: [
          { name: "a", strategy: "equal_weight" },
          { name: "a", strategy: "equal_weight" },
        ],
      },
      /^ensembles: the name a is there twice/,
    ],
    [{ callees: { kind: "list", models: [] } }, /^callees\.models: the list is empty/],
    [{ callees: { kind: "top", n: 3, everybodyEach: 0 } }, /^callees\.everybodyEach: 0: write a whole number from 1/],
    [{ callees: { kind: "best" } }, /^callees\.kind: write all, top or list/],
    [{ participationFloor: 80 }, /^participationFloor: write a share from 0 to 1/],
    [{ provisionalRounds: 1.5 }, /^provisionalRounds: write a whole number/],
    [{ onNewDeployment: "forget" }, /^onNewDeployment: "forget": write keep, reset or split/],
    [{ compat: "synth" }, /^compat: "synth": write crunch-node/],
    [{ truthSources: { sources: [] } }, /^truthSources\.sources: name at least one/],
  ])("%j", (own, says) => {
    const problems = problemsOf(own);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(says);
  });

  test("all at once", () => {
    const problems = problemsOf({
      windows: [],
      metrics: ["x"],
      ranking: { key: "y", direction: "z" },
      callees: { kind: "list", models: [] },
    });
    expect(problems.map((p) => p.split(":")[0])).toEqual([
      "windows",
      "metrics",
      "ranking.key",
      "ranking.direction",
      "callees.models",
    ]);
  });

  test.each([
    [undefined, "default export: is no competition"],
    [{ ...good, score: 5 }, "score: must be a function, or name one"],
    [{ ...good, schedule: "daily" }, "schedule: must be a function"],
    [{ ...good, output: {} }, "output: write a zod schema"],
    [{ ...good, id: "" }, "id: write a text that is not empty"],
    [{ ...good, windows: 24 }, "windows: write a list"],
  ])("what is no contract at all: %#", (contract, says) =>
    expect(shapeProblems(contract).map(({ where, what }) => `${where}: ${what}`.slice(0, says.length))).toEqual([says]),
  );
});

describe("a schedule", () => {
  const scope = (own: Partial<ScheduledScope> = {}): ScheduledScope => ({
    ...{
      scopeKey: "BTC-60",
      scope: { subject: "BTC" },
      everyMs: 15_000,
      resolveAfterMs: 60_000,
      giveUpAfterMs: 60_000,
    },
    ...own,
  });
  const whats = (scopes: ScheduledScope[], publishDelayMs = 0) =>
    scheduleProblems({ publishDelayMs }, scopes, { granularityMs: 60_000 }).map(
      ({ where, what }) => `${where}: ${what}`,
    );

  test("is fine, or says which scope is not and why", () => {
    expect(whats([scope()])).toEqual([]);
    expect(whats([scope(), scope()])[0]).toMatch(/the scope BTC-60 is there twice/);
    expect(whats([scope({ resolveAfterMs: 59_999 })])[0]).toMatch(
      /^schedule BTC-60\.resolveAfterMs: 59999 ms is shorter than one record.*write 60000 or more/,
    );
    expect(whats([scope()], 60_001)[0]).toMatch(
      /^schedule BTC-60\.giveUpAfterMs: 60000 ms is over before a truth is settled/,
    );
  });

  test("may be odd without being wrong", () => {
    const notes = scheduleNotes([scope()], { granularityMs: 60_000, timeoutMs: 90_000 }).map(({ what }) => what);
    expect(notes[0]).toMatch(/models get 60000 ms, until the truth is known, and not the 90000 ms/);
    expect(notes[1]).toMatch(/asks every 15000 ms on a feed that speaks every 60000 ms/);
  });
});
