import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { leaderboardColumn, metricsWidget } from "../../api/contract/report-schema.ts";
import { loadCompetition } from "../load.ts";
import realtime from "./competition.ts";

vi.setConfig({ testTimeout: 60_000 }); // Python is started: seconds on a busy machine

const folder = mkdtempSync(join(tmpdir(), "realtime-backtest-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PYTHONPATH = ["challenge", "challenge/examples", "../python"].map((f) => join(import.meta.dirname, f));
const run = (program: string): unknown =>
  JSON.parse(
    execFileSync("python3", ["-c", program], {
      cwd: folder,
      env: { ...process.env, PYTHONPATH: PYTHONPATH.join(delimiter), PYTHONDONTWRITEBYTECODE: "1" },
      encoding: "utf8",
      maxBuffer: 16 * 1024 ** 2,
    }),
  );

/** Half an hour of seconds in which each rise is followed by another; a minute is missing. */
const BEGIN_S = 1_790_000_000;
const lines = Array.from({ length: 1_800 }, (_, i) => `${BEGIN_S + i},${100 + 5 * Math.sin(i / 60)}`);
writeFileSync(join(folder, "wave.csv"), ["ts,close", ...lines.slice(0, 900), ...lines.slice(960)].join("\n"));

const BEGIN = `
import json
from almanac_backtest import read_csv
from tracker import TrackerBase
from tracker.backtest import BacktestRunner
records = read_csv("wave.csv", "BTC", 1)
start = ${BEGIN_S}000
`;
interface Metrics {
  score_recent: number | null;
  by_scope: Record<string, { score_recent: number }>;
  scored: number;
  failed: number;
  unresolvable: number;
  missed: number;
}

describe("backtest", () => {
  test("the examples answer every question, each in its own way; on a wave, momentum gains and reversion loses", () => {
    const [momentum, reversion, trend, again] = run(`${BEGIN}
from momentum import Momentum
from mean_reversion import MeanReversion
from volatility_trend import VolatilityTrend
print(json.dumps([BacktestRunner(m(), records).run(start + 60000, start + 880000).metrics for m in (Momentum, MeanReversion, VolatilityTrend, Momentum)]))`) as Metrics[];
    for (const m of [momentum!, reversion!, trend!])
      expect(m).toMatchObject({ failed: 0, missed: 0, unresolvable: 0, scored: 164 });
    expect(momentum!.score_recent).toBeGreaterThan(0);
    expect(reversion!.score_recent).toBeLessThan(0);
    expect(trend!.score_recent).not.toBe(momentum!.score_recent);
    expect(again).toEqual(momentum);
    expect(momentum!.by_scope["BTC-20"]!.score_recent).toBe(momentum!.score_recent);
  });

  test("failures, refusals, holes and the ends of the prices have their reasons and cost their own answers", () => {
    const [metrics, summary] = run(`${BEGIN}
class Moody(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked % 3 == 0:
            raise KeyError("no idea")
        return {"value": "up" if self.asked % 3 == 1 else 0.5}
result = BacktestRunner(Moody(), records).run(start - 10000, start + 1900000)
print(json.dumps([result.metrics, result.summary()]))`) as [Metrics, string];
    expect(metrics.missed).toBe(3); // 10 and 5 seconds before, and the instant of the first open
    expect(metrics.scored + metrics.failed + metrics.unresolvable + metrics.missed).toBe(382);
    expect(Math.min(metrics.scored, metrics.failed, metrics.unresolvable)).toBeGreaterThan(5);
    expect(summary).toContain(
      "first FAILED: output refused: the answer must be {'value': a finite number}, is {'value': 'up'}",
    );
    expect(summary).toContain("first UNRESOLVABLE: the closing price was ");
    expect(summary).toContain("first MISSED: the feed had no data at the due time");
  });

  test("the windows of an instant hold what resolved in [end - hours, end)", () => {
    const [whole, at, none] = run(`${BEGIN}
class Up(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        return {"value": 1}
result = BacktestRunner(Up(), records, windows=(("score_recent", 0.05),)).run(start + 60000, start + 880000)
ends = [r["resolved_ms"] for r in result.rows]
expected = [r["result"]["value"] for r in result.rows if ends[50] - 180000 <= r["resolved_ms"] < ends[50]]
at = result.metrics_at(ends[50])
assert len(expected) == 36, len(expected)
assert abs(at["score_recent"] - sum(expected) / len(expected)) < 1e-9
print(json.dumps([result.metrics["score_recent"], at["score_recent"], result.metrics_at(ends[0])["score_recent"]]))`) as (
      | number
      | null
    )[];
    expect(at).not.toBe(whole);
    expect(none).toBeNull();
  });
});

test("the pack passes every check of the start; its columns and widgets are of fields that exist", async () => {
  const loaded = await loadCompetition("competitions/realtime/competition.ts", ["BTC"], {
    dryRun: true,
    granularityMs: 1_000,
  });
  expect(loaded.scopes.map((s) => [s.scopeKey, s.everyMs, s.resolveAfterMs])).toEqual([["BTC-20", 5_000, 20_000]]);
  const columns = z.array(leaderboardColumn).parse(realtime.leaderboardColumns);
  const values = columns.filter((c) => c.type === "VALUE").map((c) => c.property);
  expect(values.toSorted()).toEqual([...realtime.windows.map((w) => w.name), ...realtime.metrics].toSorted());
  expect(z.array(metricsWidget).parse(realtime.metricsWidgets)).toHaveLength(3);
});
