import { execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { MarketRecord, ResolveRequest } from "../competition.ts";
import { condor, SCALES } from "./contract.ts";
import { resolveSteps } from "./truth.ts";

vi.setConfig({ testTimeout: 60_000 }); // Python is started: seconds on a busy machine

const MINUTE = 60_000;
const DUE = 1_790_000_040_000;
const SCOPE = { subject: "BTCUSDT", asset: "BTC", horizon: 600, step: 300, bound: 0.03 };

const candle = (minute: number, close: number, segment = ""): MarketRecord => ({
  subject: "BTCUSDT",
  tsEvent: DUE + (minute - 1) * MINUTE,
  tsFinal: DUE + minute * MINUTE,
  values: { close },
  segment,
});
const minutes = (...list: number[]): MarketRecord[] => list.map((m) => candle(m, 100 + m));
const request = (records: readonly MarketRecord[], own: Partial<ResolveRequest> = {}): ResolveRequest => ({
  scope: SCOPE,
  dueMs: DUE,
  resolveAtMs: DUE + 600_000,
  granularityMs: MINUTE,
  knownUntilMs: DUE + 600_000,
  records,
  ...own,
});
const everyMinute = minutes(-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
const returnsOf = (records: readonly MarketRecord[]): unknown => {
  const resolution = resolveSteps(request(records));
  return "resolved" in resolution ? resolution.resolved.returns : resolution;
};

describe("truth of steps", () => {
  test("log returns from the close at each step's ends", () => {
    expect(returnsOf(everyMinute)).toEqual([
      expect.closeTo(Math.log(105 / 100), 14),
      expect.closeTo(Math.log(110 / 105), 14),
    ]);
  });
  test("the nearest price stands for a missing one; of two as near, the earlier; none from after the end counts", () => {
    expect(returnsOf(minutes(0, 2, 4, 6, 10, 11))).toEqual([
      expect.closeTo(Math.log(104 / 100), 14),
      expect.closeTo(Math.log(110 / 104), 14),
    ]);
    expect(returnsOf(minutes(-1, 1, 9, 11))).toEqual([
      expect.closeTo(Math.log(101 / 99), 14), // −1 and 1 are as near to 0; 1 and 9 to 5
      expect.closeTo(Math.log(109 / 101), 14),
    ]);
  });
  test("a step that begins and ends on one tick has no return; a round of only such is unresolvable", () => {
    expect(returnsOf(minutes(-1, 8))).toEqual([expect.closeTo(Math.log(108 / 99), 14), null]);
    const flat = resolveSteps(request(minutes(5), { stalenessFraction: 0.6 }));
    expect(flat).toEqual({ unresolvable: "every step begins and ends on the same tick" });
  });
  test("prices of 0 and below are no prices", () => {
    expect(returnsOf([...minutes(-1), candle(0, 0), ...minutes(5, 10)])).toEqual([
      expect.closeTo(Math.log(105 / 99), 14),
      expect.closeTo(Math.log(110 / 105), 14),
    ]);
  });
  test("it waits for the closing candle and for holes that are being filled", () => {
    expect(resolveSteps(request(everyMinute, { knownUntilMs: DUE + 599_999 }))).toHaveProperty("wait");
    const openGaps = [{ fromMs: DUE + 60_000, untilMs: DUE + 120_000 }];
    expect(resolveSteps(request(everyMinute, { openGaps }))).toHaveProperty("wait");
  });
  test("what never can be resolved says why", () => {
    expect(resolveSteps(request([]))).toEqual({ unresolvable: "no opening price was ever recorded" });
    expect(resolveSteps(request(minutes(4, 10)))).toEqual({
      unresolvable: "the opening price was 240000 ms away, more than 120000 ms",
    });
    expect(resolveSteps(request(minutes(0, 7)))).toEqual({
      unresolvable: "the closing price was 180000 ms away, more than 120000 ms",
    });
    expect(resolveSteps(request([candle(0, 100, "1"), candle(5, 101, "1"), candle(10, 50, "2")]))).toEqual({
      unresolvable: "the series broke in between (the replay began anew)",
    });
  });
  test("a break of the series before the opening does not matter", () => {
    expect(returnsOf([candle(-1, 7, "0"), candle(0, 100), candle(5, 105), candle(10, 110)])).toHaveLength(2);
  });
});

const PROGRAM = `
import json, sys
from types import SimpleNamespace
from almanac_backtest.times import due_times
from condor.questions import questions
from condor.truth import resolve
asked = [{"scopeKey": q.scope_key, "scope": {"subject": q.asset, "asset": q.asset, "horizon": q.horizon, "step": q.step, "bound": q.bound},
  "everyMs": q.every_ms, "phaseMs": q.phase_ms} for q in questions(["BTC", "ETH", "SOL"])]
given = json.load(sys.stdin)
question = SimpleNamespace(**given["scope"])
answers = [resolve([tuple(r) for r in records], question, given["due"], 60000) for records in given["records"]]
print(json.dumps({"asked": asked, "dues": list(due_times(questions(["BTC", "ETH"])[1], 0, 1500000)), "answers": answers}))
`;
test("the participants' package asks the same questions and resolves them alike", () => {
  const cases = [
    everyMinute,
    minutes(0, 2, 4, 6, 10, 11),
    minutes(-1, 1, 9, 11),
    minutes(-1, 8),
    minutes(4, 10),
    minutes(0, 7),
    [candle(0, 100, "1"), candle(5, 101, "1"), candle(10, 50, "2")],
  ];
  const { subject: _, ...scope } = SCOPE;
  const input = JSON.stringify({
    scope,
    due: DUE,
    records: cases.map((records) => records.map((r) => [r.tsFinal, r.values.close, r.segment])),
  });
  const env = {
    ...process.env,
    PYTHONPATH: ["challenge", "../python"].map((folder) => join(import.meta.dirname, folder)).join(delimiter),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const answer = JSON.parse(execFileSync("python3", ["-c", PROGRAM], { input, env, encoding: "utf8" }));
  const ours = condor().schedule(["BTC", "ETH", "SOL"]);
  expect(ours).toHaveLength(3 * SCALES.length);
  expect(answer.asked).toEqual(
    ours.map(({ scopeKey, scope, everyMs, phaseMs }) => ({ scopeKey, scope, everyMs, phaseMs })),
  );
  expect(answer.dues).toEqual([360_000, 1_080_000]);
  expect(answer.answers).toEqual(
    cases.map((records) => {
      const resolution = resolveSteps(request(records));
      return "resolved" in resolution
        ? [resolution.resolved, null]
        : [null, "unresolvable" in resolution && resolution.unresolvable];
    }),
  );
});
