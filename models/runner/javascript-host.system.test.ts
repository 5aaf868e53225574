import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/test-fleet.ts";
import { said, startTestHost, type Value } from "../fixtures/test-host.ts";
import { CODE } from "../protocol/answer-code.ts";
import { readJson } from "../protocol/json-read.ts";
import { Float } from "../protocol/json-write.ts";
import { VARIANT_TYPES } from "../protocol/variant.ts";

const start = (files: Record<string, string>, options = {}) => startTestHost(files, { kind: "javascript", ...options });

let packages: string;
beforeAll(async () => {
  packages = await mkdtemp(join(tmpdir(), "almanac-js-packages-"));
  await mkdir(join(packages, "tracker"));
  await writeFile(join(packages, "tracker/index.mjs"), "export class TrackerBase { tick() {} }\n");
});
afterAll(() => rm(packages, { recursive: true, force: true }));

describe("discovery of the class", () => {
  const word = (name: string, parent = "") => `class ${name}${parent} { predict() { return ${JSON.stringify(name)} } }`;
  const found: { name: string; files: Record<string, string>; mainFile?: string; base?: string }[] = [
    {
      name: "default export of main.mjs",
      files: { "main.mjs": `export default ${word("Mine")}; export ${word("Other")}` },
    },
    {
      name: "the only exported class",
      files: { "main.js": `export ${word("Mine")}\nexport const version = 1`, "package.json": `{"type":"module"}` },
    },
    { name: "CommonJS", files: { "main.cjs": `${word("Mine")}\nmodule.exports = Mine` } },
    {
      name: "TypeScript with types and a TypeScript import",
      files: {
        "main.ts": `import type { A } from "./part.ts";\nimport { text } from "./part.ts";\nexport default class Mine { predict(given?: A): string { return text as string } }`,
        "part.ts": "export interface A { a: number }\nexport const text: string = 'Mine';",
      },
    },
    {
      name: "main of package.json",
      files: { "package.json": `{"main":"src/model.mjs"}`, "src/model.mjs": `export default ${word("Mine")}` },
    },
    {
      name: "a main file that is said",
      files: { "other.mjs": `export default ${word("Mine")}`, "main.mjs": "throw new Error('not this')" },
      mainFile: "other.mjs",
    },
    {
      name: "heir of the competition's class among others",
      files: {
        "main.mjs": `import { TrackerBase } from "tracker";\nexport ${word("Helper")}\nexport ${word("Mine", " extends TrackerBase")}`,
      },
      base: "tracker.TrackerBase",
    },
    {
      name: "heir of an heir",
      files: {
        "main.mjs": `import { TrackerBase } from "tracker";\nclass Between extends TrackerBase {}\nexport ${word("Mine", " extends Between")}`,
      },
      base: "tracker.TrackerBase",
    },
  ];
  test.each(found)("$name", async ({ files, mainFile, base }) => {
    await using model = await start(files, { mainFile, packages });
    expect(said(await model.setup(base))).toEqual([CODE.OK, "Instance created successfully"]);
    expect(said(await model.call("predict"))).toEqual([CODE.OK, "Mine"]);
  });

  const refused: { name: string; files: Record<string, string>; base?: string; code?: number; text: RegExp }[] = [
    {
      name: "no main file",
      files: { "model.mjs": "" },
      text: /^The submission has no main file\. Name it in package\.json, or call it one of main\.ts/,
    },
    {
      name: "several main files",
      files: { "main.ts": "", "main.js": "" },
      text: /several main files: main\.ts, main\.js/,
    },
    {
      name: "a main file outside",
      files: { "package.json": `{"main":"../../x.mjs"}` },
      text: /^The main file \.\.\/\.\.\/x\.mjs is not in the submission/,
    },
    { name: "a broken package.json", files: { "package.json": "{" }, text: /^package\.json cannot be read: / },
    {
      name: "no class",
      files: { "main.mjs": "export const f = () => 1" },
      text: /main\.mjs must export a class; it exports f\.$/,
    },
    {
      name: "several classes",
      files: { "main.mjs": `export ${word("A")}; export ${word("B")}` },
      text: /^Several classes are exported by main\.mjs: A, B\. /,
    },
    {
      name: "not the competition's",
      files: { "main.mjs": `export default ${word("A")}` },
      base: "tracker.TrackerBase",
      text: /must export a class that extends TrackerBase; it exports default\.$/,
    },
    {
      name: "syntax",
      files: { "main.mjs": "export class {" },
      text: /^main\.mjs could not be imported: SyntaxError: /,
    },
    {
      name: "TypeScript that cannot be stripped",
      files: { "main.ts": "export enum E { A }" },
      text: /^main\.ts could not be imported: .*enum/s,
    },
    {
      name: "a missing package",
      files: { "main.mjs": "import 'no-such-package'" },
      text: /Cannot find package 'no-such-package'/,
    },
    {
      name: "a class name without module",
      files: { "main.mjs": "" },
      base: "Base",
      code: CODE.SETUP_FAILED,
      text: /^Invalid class name 'Base'/,
    },
    {
      name: "an empty class name",
      files: { "main.mjs": "" },
      base: " ",
      code: CODE.INVALID_ARGUMENT,
      text: /cannot be empty/,
    },
    {
      name: "a constructor that throws",
      files: { "main.mjs": "export default class { constructor() { throw new Error('no weights') } }" },
      code: CODE.SETUP_FAILED,
      text: /^no weights$/,
    },
  ];
  test.each(refused)("refused: $name", async ({ files, base, text, code = CODE.BAD_IMPLEMENTATION }) => {
    await using model = await start(files, { packages });
    const [gotCode, words] = said(await model.setup(base));
    expect(words).toMatch(text);
    expect(gotCode).toBe(code);
  });
});

const ZOO = `
import { spawnSync } from "node:child_process";
import fs from "node:fs";
export default class Zoo {
  calls = 0;
  constructor(...given) { this.given = given }
  count() { return BigInt(++this.calls) }
  tick() { this.calls++ }
  init_args() { return this.given }
  echo(...values) { return values }
  kinds(...values) { return values.map((value) => typeof value) }
  async later() { await new Promise((r) => setTimeout(r, 20)); return { value: 1 } }
  whole() { return 2 }
  bool() { return true }
  nothing() {}
  numbers() { return new Float64Array([0.5, 2]) }
  rich() { return { whole: 2, half: 0.5, big: 10n ** 30n, gone: undefined, list: [new Int32Array([1])], none: null } }
  nan() { return NaN }
  nan_inside() { return { a: [0, { b: Infinity }] } }
  big() { return 1n << 63n }
  map() { return { x: { y: new Map() } } }
  func() { return () => 1 }
  hole() { return { a: [undefined] } }
  half() { return { t: "\\ud800" } }
  circle() { const a = []; a.push(a); return a }
  deep() { let v = 1; for (let i = 0; i < 100_000; i++) v = [v]; return v }
  large() { return "x".repeat(5 << 20) }
  boom() { throw new Error("boom") }
  thrown() { throw { toString() { throw 1 } } }
  async reject() { throw new TypeError("later boom") }
  loose() { Promise.reject(new Error("nobody waits")); setTimeout(() => { throw new Error("loose") }, 1); return 1 }
  prints() { console.log("printed"); process.stdout.write("\\u0005\\0\\0\\0hello"); return 1 }
  hang() { return new Promise(() => {}) }
  spin() { for (;;); }
  leave() { process.exit(3) }
  child() { return spawnSync("sh", ["-c", "[ -e /proc/self/fd/3 ] && echo open || echo closed"]).stdout.toString().trim() }
  proto() { return JSON.parse('{"__proto__": {"value": 1}}') }
  environment() { return [process.env.RESOURCE_DIRECTORY ?? "", process.env.HAS_GPU ?? ""] }
}`;

describe("calls", () => {
  const zoo = () => start({ "main.mjs": ZOO });
  const json = async (answer: Promise<{ value: Buffer }>) => readJson((await answer).value);

  test("answers, by type", async () => {
    await using model = await zoo();
    await model.setup();
    const typed = async (name: string) => (await model.call(name)).type;
    expect(await typed("whole")).toBe(VARIANT_TYPES.DOUBLE); // a bare number is a DOUBLE whatever its value
    expect((await model.call("whole")).value.readDoubleLE()).toBe(2);
    expect(await typed("count")).toBe(VARIANT_TYPES.INT);
    expect((await model.call("bool")).value.readBigInt64LE()).toBe(1n);
    expect(await typed("nothing")).toBe(VARIANT_TYPES.NONE);
    expect(await json(model.call("later"))).toEqual({ value: 1 });
    expect(await json(model.call("numbers"))).toEqual([0.5, 2]);
    expect((await model.call("rich")).value.toString()).toBe(
      '{"whole":2,"half":0.5,"big":1000000000000000000000000000000,"list":[[1]],"none":null}',
    );
    expect((await model.call("feed_update")).code).toBe(CODE.OK); // the other name of tick
    expect((await model.call("child")).value.toString()).toBe("closed");
  });

  test("arguments, by type", async () => {
    await using model = await zoo();
    await model.setup("goldbase.core.Base", ["STRING", "a"], ["INT", 3]);
    expect(await json(model.call("init_args"))).toEqual(["a", 3]);
    const values: Value[] = [
      ["INT", 1n << 60n],
      ["INT", 5],
      ["DOUBLE", 0.5],
      ["STRING", "ü"],
      ["NONE", null],
    ];
    expect(await json(model.call("kinds", values))).toEqual(["bigint", "number", "number", "string", "object"]);
    expect(
      (await model.call("echo", [["JSON", { i: 12345678901234567890n, f: new Float(1e20) }]])).value.toString(),
    ).toBe('[{"i":12345678901234567890,"f":100000000000000000000}]');
    expect(await json(model.call("echo", [["INT", 1]], { horizon: ["INT", 60] }))).toEqual([1, { horizon: 60 }]);
  });

  test("what is refused, with its reason; the next call answers", async () => {
    await using model = await zoo();
    expect(said(await model.call("count"))).toEqual([CODE.NOT_SET_UP, "Setup has not been called yet"]);
    await model.setup();
    expect(said(await model.setup())).toEqual([CODE.OK, "Instance already exists"]);
    const failing: [string, number, RegExp][] = [
      ["", CODE.INVALID_ARGUMENT, /^methodName cannot be empty$/],
      ["nope", CODE.NO_METHOD, /^Method "nope" not found in class "Zoo"$/],
      ["constructor", CODE.NO_METHOD, /not found/],
      ["toString", CODE.NO_METHOD, /not found/],
      ["__proto__", CODE.NO_METHOD, /not found/],
      ["given", CODE.NO_METHOD, /not found/],
      ["nan", CODE.NOT_FINITE, /^the answer is NaN; a number must be finite$/],
      ["nan_inside", CODE.NOT_FINITE, /^a\[1\]\.b is Infinity; a number must be finite$/],
      ["big", CODE.FAILED, /int too big to convert$/],
      ["map", CODE.FAILED, /x\.y: Map cannot be written as JSON$/],
      ["func", CODE.FAILED, /Unsupported data type: function$/],
      ["hole", CODE.FAILED, /a\[0\]: undefined cannot be written as JSON$/],
      ["half", CODE.FAILED, /t holds half a surrogate pair/],
      ["circle", CODE.FAILED, /Circular reference detected in \[0\]$/],
      ["deep", CODE.FAILED, /nested too deep/],
      ["large", CODE.TOO_LARGE, /5242880 bytes/],
      ["boom", CODE.FAILED, /^The model raised an exception: boom$/],
      ["thrown", CODE.FAILED, /something that has no words$/],
      ["reject", CODE.FAILED, /later boom$/],
    ];
    for (const [method, code, text] of failing) {
      const [gotCode, words] = said(await model.call(method));
      expect(words, method).toMatch(text);
      expect(gotCode, method).toBe(code);
    }
    expect((await model.call("loose")).code).toBe(CODE.OK);
    await until(model.host.log.text, (log) => log.includes("nobody waits") && log.includes("Error: loose"));
    expect((await model.call("prints")).code).toBe(CODE.OK);
    await until(model.host.log.text, (log) => log.includes("printed"));
    expect((await model.call("count")).value.readBigInt64LE()).toBe(1n);
    expect(model.host.incarnation()).toBe(1);
    await model.rest();
    expect((await model.call("count")).code).toBe(CODE.NOT_SET_UP);
  });

  test("hang, spin and exit cost the model its memory, and say so", async () => {
    await using model = await zoo();
    await model.setup();
    const [first, second] = await model.batch(["count", "hang"], 1500);
    expect([first?.code, second?.code]).toEqual([CODE.OK, CODE.TIMEOUT]);
    await until(model.host.log.text, (log) => log.includes("hang has not settled shortly before its deadline"));
    await until(model.host.state, (state) => state === "READY");
    expect((await model.call("spin", [], {}, 1000)).code).toBe(CODE.TIMEOUT);
    await until(model.host.state, (state) => state === "READY");
    expect(said(await model.call("leave"))).toEqual([CODE.DIED, "the model's process exited with 3"]);
    await until(model.host.state, (state) => state === "READY");
    expect((await model.call("count")).value.readBigInt64LE()).toBe(1n);
    expect(model.host.incarnation()).toBe(4);
  });

  test("surroundings that the operator gives", async () => {
    await using model = await start({ "main.mjs": ZOO }, { resourceDirectory: "/somewhere", hasGpu: true });
    await model.setup();
    expect(await json(model.call("environment"))).toEqual(["/somewhere", "true"]);
  });
});
