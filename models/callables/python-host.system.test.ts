import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CallOutcome } from "./callable-process.ts";
import type { PythonCallable } from "./python-callable.ts";
import { createPythonHost, type PythonHost } from "./python-host.ts";

const ROOT = join(import.meta.dirname, "../fixtures/callables");
const LIMIT_MS = 1_000;
const quiet = pino({ level: "silent" });
let host: PythonHost;
let stateDir: string;
let moody: PythonCallable;

beforeAll(async () => {
  stateDir = join(await mkdtemp(join(tmpdir(), "almanac-callables-")), String(process.pid));
  host = createPythonHost({
    python: "python3",
    sandbox: "auto",
    stateDir,
    limitMs: LIMIT_MS,
    logger: quiet,
  });
  moody = await open("callables", "moody");
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(dirname(stateDir), { recursive: true, force: true });
});

const open = (module: string, name: string): Promise<PythonCallable> =>
  host.open({ root: ROOT, packages: [], module, name });
const tell = (...whats: string[]): Promise<CallOutcome[]> => moody.call(whats.map((what, i) => [{ what, value: i }]));
const errorOf = (outcome: CallOutcome | undefined): string => (outcome && "error" in outcome ? outcome.error : "");
const valuesOf = (outcomes: readonly CallOutcome[]): unknown[] =>
  outcomes.flatMap((o) => ("value" in o ? [(o.value as { value: unknown }).value] : []));

describe("numbers", () => {
  test("survive the way there and back to the last bit, and keep their type", async () => {
    const echo = await open("callables", "echo");
    const numbers = [
      0.1 + 0.2,
      1e-323,
      1.7976931348623157e308,
      -0,
      5e-7,
      1e21,
      1e16,
      2 ** 53 - 1,
      -123456.78901234567,
      1 / 3,
    ];
    expect(await echo.call([[...numbers]])).toEqual([{ value: numbers }]);
    const kinds = await (await open("kinds", "kinds")).call([[[1, 1.5, 1e16, -0, 2 ** 60]]]);
    expect(kinds).toEqual([
      { value: ["int 1", "float 1.5", "float 1e+16", "float -0.0", "float 1.152921504606847e+18"] },
    ]);
  });

  test("an integer that no double holds arrives as a bigint, not as another number", async () => {
    expect(await tell("big")).toEqual([{ value: 2n ** 60n + 1n }]);
  });
});

describe("calls", () => {
  test("hundreds are answered in order by one process", async () => {
    const score = await open("callables", "score");
    const calls = Array.from({ length: 2_500 }, (_, i) => [{ value: i / 7 }, { profit: 0.001 }]);
    const values = (await score.call(calls)).map((o) => ("value" in o ? o.value : o.error));
    expect(values).toEqual(calls.map((_, i) => (i / 7) * 0.001 * 10_000));
    expect(score.takes).toBe(2);
  });

  test("two batches at once do not mix", async () => {
    const [a, b] = await Promise.all([tell("ok", "ok", "ok"), tell("ok", "raise")]);
    expect(valuesOf(a)).toEqual([0, 1, 2]);
    expect(errorOf(b[1])).toMatch(/^ValueError: I cannot bear 1 \(callables\.py, line \d+\)$/);
  });

  test("what is printed is no answer", async () => expect(valuesOf(await tell("print", "ok"))).toEqual([0, 1]));
});

describe("a call that goes wrong costs itself, and nobody else", () => {
  test.each([
    { what: "raise", says: /ValueError: I cannot bear 1/ },
    { what: "leave", says: /SystemExit: enough/ },
    { what: "nan", says: /NotFinite: the answer is nan/ },
    { what: "inside", says: /NotFinite: value\.deep\[1\] is inf/ },
    { what: "set", says: /set is not JSON serializable/ },
    { what: "nul", says: /NUL/ },
    { what: "eat", says: /MemoryError/ },
    { what: "die", says: /its process exited with 7/ },
    { what: "crash", says: /its process (ended by SIGSEGV|exited with 139)/ },
    { what: "hang", says: /its process did not answer within 1000 ms/ },
    { what: "hang natively", says: /its process did not answer within 1000 ms/ },
  ])("$what", async ({ what, says }) => {
    const outcomes = await tell("ok", what, "ok");
    expect(errorOf(outcomes[1])).toMatch(says);
    expect(valuesOf(outcomes)).toEqual([0, 2]);
  });

  test("a callable that hangs on everything is given up after six, within seconds", async () => {
    const began = performance.now();
    const outcomes = await tell(...Array.from({ length: 20 }, () => "hang"));
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(outcomes.filter((o) => /did not answer/.test(errorOf(o)))).toHaveLength(6);
    expect(outcomes.filter((o) => /not asked: every call before it/.test(errorOf(o)))).toHaveLength(14);
    const again = performance.now();
    const sick = await tell(...Array.from({ length: 20 }, () => "hang"));
    expect(sick.filter((o) => /did not answer within 200 ms/.test(errorOf(o)))).toHaveLength(2);
    expect(performance.now() - again).toBeLessThan(3_000);
    expect(valuesOf(await tell("ok"))).toEqual([0]);
  });

  test("who hangs once in a while is waited for; who does it all the time costs the others little", async () => {
    const fresh = await open("callables", "moody");
    const round = () => fresh.call([[{ what: "hang" }], [{ what: "ok", value: 1 }]]);
    expect(await round()).toEqual([
      { error: "its process did not answer within 1000 ms and was ended", final: true },
      { value: { value: 1, runs: 1 } },
    ]);
    for (let i = 0; i < 3; i++) await round();
    const began = performance.now();
    const many = await Promise.all(Array.from({ length: 5 }, round));
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(many.flatMap(valuesOf)).toEqual([1, 1, 1, 1, 1]);
    expect(errorOf(many.at(-1)![0])).toMatch(/did not answer within 200 ms/);
  });

  test("a closed one is not started again", async () => {
    const own = await open("callables", "moody");
    await own.close();
    await expect(own.call([[{ what: "ok" }]])).rejects.toThrow(/the node stops/);
  });

  test("an aborted batch ends the process and rejects; the next goes to a new one", async () => {
    const waiting = moody.call([[{ what: "hang" }]], AbortSignal.timeout(100));
    await expect(waiting).rejects.toThrow(/timeout/i);
    expect(valuesOf(await tell("ok"))).toEqual([0]);
  });
});

describe("what cannot be opened is named with where it was looked for", () => {
  test.each([
    {
      module: "nowhere",
      name: "score",
      says: /nowhere:score cannot be used: ModuleNotFoundError: No module named 'nowhere'.*looked for below .*callables/,
    },
    { module: "broken", name: "score", says: /RuntimeError: this module cannot be imported \(broken\.py, line 1\)/ },
    { module: "callables", name: "scroe", says: /callables has no scroe; it has .*score/ },
    { module: "callables", name: "NUMBER", says: /callables:NUMBER is int, not something that can be called/ },
  ])("$module:$name", async ({ module, name, says }) => {
    await expect(open(module, name)).rejects.toThrow(says);
  });

  test("a dotted name reaches into a class", async () => {
    expect(await (await open("callables", "Judge.score")).call([[{}, {}]])).toEqual([{ value: 1 }]);
  });
});

test.each(["none", "auto"] as const)(
  "SANDBOX=%s: a hang is ended, copies of a killed process and its own are removed",
  async (sandbox) => {
    const parent = await mkdtemp(join(tmpdir(), "almanac-callables-"));
    const [left, own] = [join(parent, "4194303"), join(parent, String(process.pid))];
    await mkdir(join(left, "staging-abc"), { recursive: true });
    await writeFile(join(left, "staging-folder"), join(left, "staging-abc"));
    {
      await using other = createPythonHost({ python: "python3", sandbox, stateDir: own, limitMs: 300, logger: quiet });
      const callable = await other.open({ root: ROOT, packages: [], module: "callables", name: "moody" });
      const outcomes = await callable.call([[{ what: "hang" }], [{ what: "ok", value: 1 }]]);
      expect(errorOf(outcomes[0])).toMatch(/did not answer within 300 ms/);
      expect(valuesOf(outcomes)).toEqual([1]);
      expect(await readdir(parent)).toEqual([String(process.pid)]);
    }
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  },
);
