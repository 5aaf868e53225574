import { beforeAll, describe, expect, test } from "vitest";
import { everyPython } from "../fixtures/pythons.ts";
import { until } from "../fixtures/test-fleet.ts";
import { said, startTestHost, type Value } from "../fixtures/test-host.ts";
import { CODE } from "../protocol/answer-code.ts";
import { readJson } from "../protocol/json-read.ts";
import type { Interpreter } from "./python.ts";

const BASE = "from goldbase.core import Base\n";
const model = (name: string, answer: string | number = name, head = BASE) =>
  `${head}class ${name}(Base):\n    def predict(self): return ${JSON.stringify(answer)}\n`;

let pythons: Interpreter[];
beforeAll(async () => {
  pythons = await everyPython();
  console.log(`python hosts: ${pythons.map((python) => python.version.join(".")).join(", ")}`);
});
const newest = () => pythons.at(-1);
const start = (files: Record<string, string>, options = {}) =>
  startTestHost(files, { interpreter: newest(), ...options });

describe("discovery of the class", () => {
  const found: { name: string; files: Record<string, string>; answer: string; mainFile?: string; packages?: string }[] =
    [
      { name: "in the only file", files: { "a.py": model("Mine") }, answer: "Mine" },
      { name: "in a folder", files: { "deep/er/model.py": model("Mine") }, answer: "Mine" },
      {
        name: "in the main file, others are not imported",
        files: { "main.py": model("Mine"), "other.py": `${model("Other")}raise SystemExit(3)\n` },
        answer: "Mine",
      },
      {
        name: "in the main file that is said",
        files: { "src/run.py": model("Run"), "main.py": model("Mine") },
        mainFile: "src/run.py",
        answer: "Run",
      },
      {
        name: "imported into the main file from another",
        files: { "main.py": "from parts.m import Mine\n", "parts/m.py": model("Mine") },
        answer: "Mine",
      },
      {
        name: "an ensemble in the main file wins over its imported members",
        files: {
          "main.py": `${BASE}from one import One\nfrom two import Two\n${model("Both", "both", "")}`,
          "one.py": model("One"),
          "two.py": model("Two"),
        },
        answer: "both",
      },
      {
        name: "imported from one submitted file into others counts once",
        files: { "a.py": "from z import Mine\n", "b.py": "import z\nfrom z import Mine as M\n", "z.py": model("Mine") },
        answer: "Mine",
      },
      {
        name: "heir of a base of one's own",
        files: {
          "common.py": model("Common"),
          "m.py": `from common import Common\n${model("Mine", "mine", "").replace("(Base)", "(Common)")}`,
        },
        answer: "mine",
      },
      {
        name: "relative import at the top",
        files: {
          "m.py": `from .helper import WORD\n${model("Mine", "x").replace('"x"', "WORD")}`,
          "helper.py": "WORD = 'rel'\n",
        },
        answer: "rel",
      },
      {
        name: "relative import in a package",
        files: {
          "p/__init__.py": "",
          "p/m.py": `from .h import WORD\n${model("Mine", "x").replace('"x"', "WORD")}`,
          "p/h.py": "WORD = 'rel'\n",
        },
        answer: "rel",
      },
      {
        name: "circle of imports that holds only when entered at its other end",
        files: {
          "a.py": `${BASE}import b\nclass Helper: word = "round"\n`,
          "b.py": `${BASE}from a import Helper\nclass Mine(Base):\n    def predict(self): return Helper.word\n`,
        },
        answer: "round",
      },
      {
        name: "beside files that exit, raise and do not parse",
        files: {
          "a_exit.py": "import sys; sys.exit(1)\n",
          "b_raise.py": "raise RuntimeError('x')\n",
          "c_syntax.py": "def (:\n",
          "z.py": model("Mine"),
        },
        answer: "Mine",
      },
      {
        name: "in a folder named as the competition's package",
        files: { "goldbase/mine.py": model("Mine") },
        answer: "Mine",
      },
      {
        name: "beside a copy of the competition's package",
        files: { "goldbase/__init__.py": "", "goldbase/core.py": "class Base: pass\n", "m.py": model("Mine") },
        answer: "Mine",
      },
      {
        name: "in a file named as a module of Python",
        files: { "gc.py": model("Mine") },
        answer: "Mine",
      },
    ];
  test.each(found)("$name", async ({ files, answer, mainFile }) => {
    await using model = await start(files, { mainFile });
    expect(said(await model.setup())).toEqual([CODE.OK, "Instance created successfully"]);
    expect(said(await model.call("predict"))).toEqual([CODE.OK, answer]);
  });

  const refused: { name: string; files: Record<string, string>; code: number; text: RegExp }[] = [
    {
      name: "none, with the files that could not be imported",
      files: { "a.py": "import no_such_thing\n", "b.py": "x = (\n" },
      code: CODE.BAD_IMPLEMENTATION,
      text: /^No Inherited class found from <class 'goldbase.core.Base'>\. Files that could not be imported: a\.py: ModuleNotFoundError: No module named 'no_such_thing'; b\.py: SyntaxError: .*b\.py, line 1/,
    },
    {
      name: "several",
      files: { "a.py": model("One"), "p/b.py": model("Two") },
      code: CODE.BAD_IMPLEMENTATION,
      text: /^Several classes inherit from .*: a\.One, p\.b\.Two\. Leave one, or define the one that is meant in main\.py\.$/,
    },
    {
      name: "several in the main file",
      files: { "main.py": `${model("One")}${model("Two", "two", "")}` },
      code: CODE.BAD_IMPLEMENTATION,
      text: /main\.One, main\.Two\. Leave one in main\.py\.$/,
    },
    {
      name: "a broken main file, another class does not run in its place",
      files: { "main.py": "import no_such_thing\n", "old.py": model("Old") },
      code: CODE.BAD_IMPLEMENTATION,
      text: /^main\.py could not be imported\. .*main\.py: ModuleNotFoundError/,
    },
    {
      name: "an exception in the constructor",
      files: { "m.py": `${BASE}class M(Base):\n    def __init__(self): raise ValueError('no weights')\n` },
      code: CODE.SETUP_FAILED,
      text: /^no weights$/,
    },
    {
      name: "an abstract class",
      files: {
        "m.py": `${BASE}from abc import ABC, abstractmethod\nclass M(Base, ABC):\n    @abstractmethod\n    def f(self): ...\n`,
      },
      code: CODE.SETUP_FAILED,
      text: /abstract/,
    },
  ];
  test.each(refused)("refused: $name", async ({ files, code, text }) => {
    await using model = await start(files);
    const [gotCode, words] = said(await model.setup());
    expect(words).toMatch(text);
    expect(gotCode).toBe(code);
  });
});

const QUIRKS = `
import os, sys, threading, time
class Mean(Exception):
    def __str__(self): raise RuntimeError("no words")
class M(Base):
    def __init__(self, *given): self.calls, self.given = 0, given
    def count(self): self.calls += 1; return self.calls
    def mean(self): raise Mean()
    def silent(self): sys.stderr.close(); raise ValueError("after closing")
    def leave(self): sys.exit("leaving")
    def fork(self):
        os.fork()
        return os.getpid()
    def exits(self): os._exit(4)
    def only(self, a, /, b, *rest, c=0, d=0): return [a, b, c, d]
    def some(self, a, b=0): return [a, b]
    def hang(self):
        while True: time.sleep(0.01)
    def stubborn(self):
        while True:
            try:
                while True: time.sleep(0.01)
            except BaseException: return "late"
    def native(self): sum(range(10**13))
    def infinite(self): return {"a": [0.5, {"b": float("inf")}]}
    def half(self): return {"text": "\\ud800"}
    def strange(self): return {"x": {"y": {1, 2}}}
    def keys(self): return {(1, 2): 3}
    def huge(self): return 10 ** 30
    def longest(self): return {"v": 10 ** 6000}
    def deep(self):
        value = 1
        for _ in range(200_000): value = [value]
        return value
    def circle(self):
        value = []; value.append(value)
        return value
    def echo(self, *values): return list(values)
    def kind(self, value): return type(value).__name__
`;

describe("every Python at hand", () => {
  test("there are several, or the reason is here", () => expect(pythons.length).toBeGreaterThan(0));

  test("answers, refuses and goes on", { timeout: 300_000 }, async () => {
    for (const interpreter of pythons) {
      await using model = await startTestHost({ "m.py": BASE + QUIRKS }, { interpreter });
      const version = interpreter.version.join(".");
      expect(said(await model.setup()), version).toEqual([CODE.OK, "Instance created successfully"]);
      const failing: [string, number, RegExp][] = [
        ["mean", CODE.FAILED, /^The model raised an exception: Mean$/],
        ["leave", CODE.FAILED, /leaving$/],
        ["infinite", CODE.NOT_FINITE, /^a\[1\]\.b is inf; a number must be finite$/],
        ["half", CODE.FAILED, /text holds half a surrogate pair/],
        ["strange", CODE.FAILED, /x\.y: Object of type set is not JSON serializable$/],
        ["keys", CODE.FAILED, /keys must be str, int, float, bool or None, not tuple$/],
        ["huge", CODE.FAILED, /int too big to convert$/],
        ["longest", CODE.FAILED, /Exceeds the limit/],
        ["deep", CODE.FAILED, /nested too deep/],
        ["circle", CODE.FAILED, /Circular reference/],
        ["_hidden", CODE.NO_METHOD, /Method "_hidden" not found in class "M"/],
        ["silent", CODE.FAILED, /after closing$/],
        ["mean", CODE.FAILED, /Mean$/],
      ];
      for (const [method, code, text] of failing) {
        const [gotCode, words] = said(await model.call(method));
        expect(words, `${version} ${method}`).toMatch(text);
        expect(gotCode, `${version} ${method}`).toBe(code);
      }
      expect((await model.call("count")).value.readBigInt64LE(), version).toBe(1n);
      expect(model.host.incarnation(), version).toBe(1);
    }
  });

  test("gives the method the keywords it takes", { timeout: 120_000 }, async () => {
    for (const interpreter of pythons) {
      await using model = await startTestHost({ "m.py": BASE + QUIRKS }, { interpreter });
      await model.setup();
      const int = (value: number): Value => ["INT", value];
      const ask = async (name: string, args: Value[], kwargs: Record<string, Value>) =>
        readJson((await model.call(name, args, kwargs)).value);
      expect(await ask("only", [int(1), int(2), int(3)], { c: int(4), d: int(5), a: int(9), b: int(9) })).toEqual([
        1, 2, 4, 5,
      ]);
      expect(await ask("some", [int(1)], { b: int(2), x: int(3) })).toEqual([1, 2]);
      await ask("some", [int(1)], { b: int(2), x: int(3) });
      expect(model.host.log.text().match(/not used by the model: x\./g)).toHaveLength(1);
    }
  });

  test("a forked copy of the model never answers in its place", { timeout: 120_000 }, async () => {
    for (const interpreter of pythons) {
      await using model = await startTestHost({ "m.py": BASE + QUIRKS }, { interpreter });
      await model.setup();
      for (let i = 0; i < 5; i++) expect((await model.call("fork")).code).toBe(CODE.OK);
      expect((await model.call("count")).code).toBe(CODE.OK);
      expect(model.host.incarnation()).toBe(1);
    }
  });
});

describe("the deadline", () => {
  test("says where a model hangs, keeps what it answered before, and restarts it", { timeout: 120_000 }, async () => {
    for (const interpreter of pythons) {
      await using model = await startTestHost({ "m.py": BASE + QUIRKS }, { interpreter });
      await model.setup();
      const [first, second] = await model.batch(["count", "hang"], 1500);
      expect(first?.code).toBe(CODE.OK);
      expect(said(second!)).toEqual([CODE.TIMEOUT, expect.stringMatching(/did not answer in time/)]);
      await until(model.host.log.text, (text) => /File ".*m\.py", line \d+ in hang/.test(text));
      await until(model.host.log.text, (text) => /still at work shortly before its deadline/.test(text));
      await until(model.host.state, (state) => state === "READY");
      expect((await model.call("count")).value.readBigInt64LE()).toBe(1n); // set up again, its memory is lost
    }
  });

  test("a model that catches the interruption gains nothing", async () => {
    await using model = await start({ "m.py": BASE + QUIRKS });
    await model.setup();
    expect((await model.call("stubborn", [], {}, 1000)).code).toBe(CODE.TIMEOUT);
    expect(model.host.incarnation()).toBe(2);
  });

  test("a hang in native code shows too", async () => {
    await using model = await start({ "m.py": BASE + QUIRKS });
    await model.setup();
    expect((await model.call("native", [], {}, 1000)).code).toBe(CODE.TIMEOUT);
    await until(model.host.log.text, (text) => /File ".*m\.py", line \d+ in native/.test(text));
  });

  test("an import that hangs is a failed setup, and the next one tries again", async () => {
    await using model = await start({ "m.py": `${BASE}import time\ntime.sleep(3600)\n` });
    const [answer] = await model.host.run("SETUP", [{ name: "goldbase.core.Base", args: [], kwargs: [] }], 1000);
    expect(answer?.code).toBe(CODE.TIMEOUT);
    await until(model.host.log.text, (text) => /File ".*m\.py", line 3 in <module>/.test(text));
    await until(model.host.state, (state) => state === "READY");
  });
});

test("a Rest followed by a Setup uses the new instance", async () => {
  await using model = await start({ "m.py": BASE + QUIRKS });
  await model.setup();
  await model.call("count");
  expect((await model.call("count")).value.readBigInt64LE()).toBe(2n);
  await model.rest();
  expect((await model.call("count")).code).toBe(CODE.NOT_SET_UP);
  await model.setup();
  expect((await model.call("count")).value.readBigInt64LE()).toBe(1n);
});
