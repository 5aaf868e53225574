import { execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { Random } from "../../domain/random.ts";
import { spreadPhases } from "../../domain/schedule.ts";
import type { MarketRecord, ResolveRequest } from "../competition.ts";
import realtime from "./competition.ts";

vi.setConfig({ testTimeout: 60_000 }); // Python is started: seconds on a busy machine

const FOLDERS = ["challenge", "../python"].map((folder) => join(import.meta.dirname, folder));
const inPython = (program: string, input: unknown): unknown =>
  JSON.parse(
    execFileSync("python3", ["-c", program], {
      input: JSON.stringify(input),
      env: { ...process.env, PYTHONPATH: FOLDERS.join(delimiter), PYTHONDONTWRITEBYTECODE: "1" },
      maxBuffer: 64 * 1024 ** 2,
      encoding: "utf8",
    }),
  );

const DUE = 1_790_000_040_000;
const SECOND = 1_000;
const random = new Random("realtime");
const unit = (): number => random.next() / 2 ** 32;

const candle = (second: number, close: number, segment = ""): MarketRecord => ({
  subject: "BTC",
  tsEvent: DUE + (second - 1) * SECOND,
  tsFinal: DUE + second * SECOND,
  values: { close, open: close - 0.5, volume: 3 },
  segment,
});
const asPython = (records: readonly MarketRecord[]): unknown[] =>
  records.map((r) => [r.tsFinal, r.values.close ?? r.values.price, r.segment, r.tsEvent, r.values]);
const request = (records: readonly MarketRecord[]): ResolveRequest => ({
  scope: { subject: "BTC" },
  dueMs: DUE,
  resolveAtMs: DUE + 20 * SECOND,
  granularityMs: SECOND,
  knownUntilMs: records.at(-1)?.tsFinal ?? 0,
  records,
});

describe("the participants' package says what the node says", () => {
  test("scores are equal to the last digit", () => {
    const cases = Array.from({ length: 2_000 }, (_, i) => {
      const [entry, resolved] = [100 * unit() + 1e-6, 100 * unit() + 1e-6];
      const value = i % 7 === 0 ? Math.round(10 * unit()) : (unit() - 0.5) / 10 ** (i % 9);
      return [{ value }, { entry_price: entry, resolved_price: resolved, profit: (resolved - entry) / entry }] as const;
    });
    const program =
      "import json, sys\nfrom tracker.scoring import score\nprint(json.dumps([score(*c) for c in json.load(sys.stdin)]))";
    const ours = cases.map(([prediction, truth]) => realtime.score(prediction, truth));
    expect(inPython(program, cases)).toEqual(ours);
    expect(new Set(ours.map((s) => s.value)).size).toBeGreaterThan(1_900);
  });

  test("what the node refuses is refused", () => {
    const answers = [7, null, {}, { value: "1" }, { value: true }, { value: null }, { value: [1] }, [{ value: 1 }]];
    const program = `
import json, sys
from tracker.scoring import predicted
def refusal(answer):
    try:
        return predicted(answer)
    except ValueError as error:
        return str(error)
print(json.dumps([refusal(a) for a in json.load(sys.stdin) + [{"value": float("nan")}, {"value": 10**400}]] + [refusal({"value": 1, "why": "x"})]))`;
    const said = inPython(program, answers) as unknown[];
    expect(said.pop()).toBe(1);
    expect(answers.every((a) => !realtime.output.safeParse(a).success)).toBe(true);
    expect(said).toHaveLength(10);
    for (const text of said) expect(text).toContain("the answer must be {'value': a finite number}, is ");
  });

  test("truths are equal, and so are the reasons why there is none", () => {
    const every = Array.from({ length: 24 }, (_, i) => candle(i - 2, 100 + i / 7));
    const without = (...seconds: number[]) => every.filter((r) => !seconds.includes((r.tsFinal - DUE) / SECOND));
    const cases = [
      every,
      without(0, 20),
      without(-1, 0, 1, 17, 18, 19, 20),
      without(-2, -1, 0),
      without(16, 17, 18, 19, 20),
      every.slice(0, 10),
      every.map((r, i) => (i > 9 ? { ...r, segment: "2" } : r)),
      every.map((r) => (r.tsFinal === DUE ? { ...r, values: { ...r.values, close: -3 } } : r)),
    ];
    const program = `
import json, sys
from tracker.questions import questions
from tracker.truth import resolve
question = questions(["BTC"])[0]
print(json.dumps([resolve([tuple(r) for r in records], question, ${DUE}, 1000) for records in json.load(sys.stdin)]))`;
    const theirs = inPython(program, cases.map(asPython)) as [unknown, string | null][];
    cases.forEach((records, i) => {
      const ours = realtime.resolveTruth(request(records));
      const [truth, reason] = theirs[i]!;
      if ("resolved" in ours) expect([truth, reason], `case ${i}`).toEqual([ours.resolved, null]);
      else expect([truth, typeof reason], `case ${i}`).toEqual([null, "string"]);
      if ("unresolvable" in ours && !ours.unresolvable.includes("positive")) expect(reason).toBe(ours.unresolvable);
    });
    expect(theirs.filter(([truth]) => truth !== null)).toHaveLength(3);
  });

  test("models are shown the same bytes", () => {
    const candles = [candle(0, 100), candle(1, 100.25), { ...candle(2, 101), values: { close: 101 } }];
    const ticks = candles.map((r, i) => ({ ...r, tsEvent: r.tsFinal + 250 * i, values: { price: 5 + i / 4 } }));
    const program = `
import json, sys
from almanac_backtest import Record
from tracker.inputs import market_input
print(json.dumps([market_input("BTC", ${DUE}, [Record(*r) for r in records]) for records in json.load(sys.stdin)], separators=(",", ":")))`;
    const given = [candles, ticks].map(asPython);
    expect(JSON.stringify(inPython(program, given))).toBe(
      JSON.stringify([candles, ticks].map((records) => realtime.buildInput("BTC", DUE, records))),
    );
  });

  test.each([1, 2, 3, 7])("the same questions at the same times, %i subjects", (count) => {
    const subjects = ["BTC", "ETH", "SOL", "XAU", "XRP", "HYPE", "SP500"].slice(0, count);
    const program = `
import json, sys
from tracker.questions import questions
print(json.dumps([[q.scope_key, q.subject, q.every_ms, q.phase_ms, q.horizon_ms] for q in questions(json.load(sys.stdin))]))`;
    expect(inPython(program, subjects)).toEqual(
      spreadPhases(realtime.schedule(subjects)).map((s) => [
        s.scopeKey,
        s.scope.subject,
        s.everyMs,
        s.phaseMs,
        s.resolveAfterMs,
      ]),
    );
  });
});
