import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";

vi.setConfig({ testTimeout: 60_000 }); // Python is started: seconds on a busy machine

const folder = mkdtempSync(join(tmpdir(), "condor-backtest-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CHALLENGE = join(import.meta.dirname, "challenge");
const PYTHONPATH = [CHALLENGE, join(CHALLENGE, "examples"), join(import.meta.dirname, "../python")].join(delimiter);

/** What a participant's program prints as JSON on its last line. */
const run = (program: string): unknown =>
  JSON.parse(
    execFileSync("python3", ["-c", program], {
      cwd: folder,
      env: { ...process.env, PYTHONPATH, PYTHONDONTWRITEBYTECODE: "1" },
      encoding: "utf8",
      maxBuffer: 16 * 1024 ** 2,
    }),
  );

/** Two days of minutes, a seeded walk; from minute 700 on 30 are missing. */
function writePrices(name: string): void {
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  let price = 100;
  const lines = Array.from({ length: 2_880 }, (_, minute) => {
    price *= 1 + 0.001 * (random() + random() + random() - 1.5);
    return `${1_790_000_040_000 + minute * 60_000},${price.toFixed(6)}`;
  });
  writeFileSync(join(folder, name), ["ts,close", ...lines.slice(0, 700), ...lines.slice(730)].join("\n"));
}
writePrices("walk.csv");

const BEGIN = `
import json
from condor import TrackerBase
from condor.backtest import BacktestRunner
from condor.recorded import read_csv
records = read_csv("walk.csv", "BTC")
start, end = "2026-09-21T18:00", "2026-09-22T12:00"
`;

interface Metrics {
  score_anchor: number;
  score_recent: number;
  by_scope: Record<string, { score_anchor: number }>;
  scored: number;
  failed: number;
  unresolvable: number;
  missed: number;
}

describe("backtest", () => {
  test("every example answers every question, each in its own way, the same each time", () => {
    const results = run(`${BEGIN}
from gaussian import Gaussian
from garch import Garch
from empirical_mixture import EmpiricalMixture
from student import Student
from condor.questions import Scale
scales = [Scale(1800, 300, 1800), Scale(7200, 7200, 7200)]
run = lambda model: BacktestRunner(model(), records, scales=scales).run(start, "2026-09-21T23:00").metrics
print(json.dumps([run(model) for model in (Gaussian, Garch, EmpiricalMixture, Student, Gaussian)]))`) as Metrics[];
    for (const metrics of results) expect(metrics).toMatchObject({ failed: 0, missed: 0 });
    expect(results[0]!.scored).toBe(13);
    expect(Object.keys(results[0]!.by_scope)).toEqual(["BTC-1800-300", "BTC-7200-7200"]);
    expect(new Set(results.map((m) => m.score_anchor)).size).toBe(4);
    expect(results[4]).toEqual(results[0]);
  });

  test("saying what is true beats saying half or twice of it", () => {
    const [half, right, twice] = run(`${BEGIN}
from condor.questions import Scale
class Steady(TrackerBase):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma
    def predict(self, asset, horizon, step):
        scale = self.sigma * (step / 60) ** 0.5
        return [{"type": "builtin", "name": "norm", "params": {"loc": 0, "scale": scale}}] * (horizon // step)
print(json.dumps([BacktestRunner(Steady(s), records, scales=[Scale(3600, 300, 720)]).run(start, "2026-09-22T04:00").metrics for s in (0.00025, 0.0005, 0.001)]))`) as Metrics[];
    expect(right!.score_anchor).toBeLessThan(half!.score_anchor);
    expect(right!.score_anchor).toBeLessThan(twice!.score_anchor);
    expect(right!.by_scope["BTC-3600-300"]!.score_anchor).toBeCloseTo(10_000 * 0.0005 * Math.sqrt(5) * 0.5642, 0);
  });

  test("a model that raises, and one that answers nonsense, cost their own answers and say why", () => {
    const [metrics, summary] = run(`${BEGIN}
class Moody(TrackerBase):
    def predict(self, asset, horizon, step):
        if step == 300:
            raise KeyError("no idea")
        return [{"type": "builtin", "name": "norm", "params": {"loc": 0, "scale": 0}}] * (horizon // step)
result = BacktestRunner(Moody(), records).run(start, end)
print(json.dumps([result.metrics, result.summary()]))`) as [Metrics, string];
    expect(metrics).toMatchObject({ scored: 0, score_anchor: null });
    expect(metrics.failed).toBeGreaterThan(200);
    expect(summary).toContain("first FAILED: KeyError: 'no idea'");
  });

  test("questions in a hole or past the end of the prices are unresolvable, before the beginning missed", () => {
    const [hole, late, early] = run(`${BEGIN}
from gaussian import Gaussian
from condor.questions import Scale
short = lambda: BacktestRunner(Gaussian(), records, scales=[Scale(600, 300, 600)])
rows = lambda start, end: [(r["status"], r.get("reason")) for r in short().run(start, end).rows]
print(json.dumps([rows("2026-09-22T02:00", "2026-09-22T02:01"), rows("2026-09-23T14:10", "2026-09-23T14:11"), rows("2026-09-21T14:10", "2026-09-21T14:11")]))`) as [
      string,
      string | null,
    ][][];
    expect(hole).toEqual([["UNRESOLVABLE", "the opening price was 360000 ms away, more than 120000 ms"]]);
    expect(late).toEqual([["UNRESOLVABLE", "the closing price was 360000 ms away, more than 120000 ms"]]);
    expect(early).toEqual([["MISSED", "the feed had no data at the due time"]]);
  });
});

test.each([
  ["ts,open\n1,2", "needs the columns ts and close (candles) or ts and price (ticks); has ts, open"],
  ["", "has none"],
  ["ts,close\n1790000000,5\nnoon,6", "line 3: ts and close must be numbers, are 'noon' and '6'"],
])("a file that is none is refused: %j", (content, message) => {
  writeFileSync(join(folder, "bad.csv"), content);
  const said = run(`
import json
from condor.recorded import read_csv
try:
    read_csv("bad.csv", "BTC")
    print(json.dumps("accepted"))
except ValueError as error:
    print(json.dumps(str(error)))`);
  expect(said).toContain("bad.csv");
  expect(said).toContain(message);
});

test("day files need pyarrow and say so; prices of 0 are left out; times may be seconds", () => {
  writeFileSync(join(folder, "ticks.csv"), "ts,price\n1790000060,5\n1790000000,6\n1790000120,0");
  const said = run(`
import json, sys
sys.modules["pyarrow"] = None
from almanac_backtest.times import granularity_ms
from condor.recorded import NodeRecords, read_csv
try:
    NodeRecords(folder=".")._day("binance/BTCUSDT/candle/1m/2026-11-21.parquet", {"size_bytes": 1}, 60)
except ImportError as error:
    print(json.dumps([str(error), read_csv("ticks.csv", "BTC"), granularity_ms("1m"), granularity_ms("500ms")]))`);
  expect(said).toEqual([
    "day files are parquet: `pip install pyarrow`, or give CSV files to read_csv",
    {
      BTC: [
        [1_790_000_000_000, 6, ""],
        [1_790_000_060_000, 5, ""],
      ],
    },
    60_000,
    500,
  ]);
});
