import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestFleet, type TestFleet } from "../models/fixtures/test-fleet.ts";

const PROGRAM = join(import.meta.dirname, "main.ts");
const ROOT = join(import.meta.dirname, "..");
const BASE = "from tracker import TrackerBase\n\nclass Own(TrackerBase):\n";

let folder: string;
let fleet: TestFleet;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "almanac-cli-"));
  fleet = await startTestFleet([], { orchestrator: { http: { host: "127.0.0.1", port: 0 } } });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The real command in a process of its own. */
function almanac(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const env = {
    ...process.env,
    ALMANAC_DIR: join(folder, "state"),
    COMPETITION: join(ROOT, "competitions/realtime/competition.ts"),
    MODELS_FILE: join(ROOT, "competitions/realtime/models.yaml"),
    MODEL_RUNNER_TIMEOUT_SECONDS: "20",
    ORCHESTRATOR_HTTP_PORT: String(fleet.orchestrator.httpPort),
  };
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};

describe("from an idea to a running model", () => {
  test("new, test, run, list, logs, stop, run again", async () => {
    expect(await almanac("model", "new", "mean-rev")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/model test/),
    });
    expect(readFileSync(join(folder, "mean-rev/main.py"), "utf8")).toMatch(/TrackerBase/);
    expect(await almanac("model", "new", "mean-rev")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/there already/),
    });

    const tested = await almanac("model", "test", "mean-rev");
    expect(tested).toMatchObject({ code: 0, out: expect.stringMatching(/model test {3}passed/) });
    expect(tested.out).toMatch(/rounds {7}10, p50 \d+\.\d ms/);
    expect(tested.out).toMatch(/last answer {2}\{"value":/);

    const run = await almanac("model", "run", "mean-rev", "--name", "mine", "--cruncher", "alice");
    expect(run).toMatchObject({ code: 0, out: expect.stringMatching(/^u1 {2}mine {2}RUNNER_RUNNING$/m) });
    const again = await almanac("model", "upload", "mean-rev", "--name", "mine", "--json");
    expect(again).toMatchObject({ code: 0, err: expect.stringMatching(/replaces model u1/) });
    expect(JSON.parse(again.out)).toMatchObject({ id: "u1", cruncher_id: "alice", status: "RUNNER_RUNNING" });

    expect((await almanac("model", "list")).out).toMatch(/^u1 +mine +alice +RUNNER_RUNNING +upload$/m);
    expect((await almanac("model", "logs", "u1", "--builder")).out).toMatch(/^submission [0-9a-f]{12}/);
    expect((await almanac("model", "logs", "u1")).code).toBe(0);
    expect((await almanac("model", "stop", "u1")).out).toMatch(/u1 {2}mine {2}RUNNER_STOP/);
    expect((await almanac("model", "run", "u1")).out).toMatch(/RUNNER_RUNNING/);
    expect(await almanac("model", "stop", "u99")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/404: there is no model/),
    });
  });

  test("what cannot be built is told by the sentence", async () => {
    const run = await almanac(
      "model",
      "run",
      file("broken.ipynb", '{"nbformat":4,"cells":[{"cell_type":"code","source":"def f("}]}'),
    );
    expect(run).toMatchObject({
      code: 1,
      out: expect.stringMatching(/BUILDER_FAILED\n.*Code cell 1, line 1 is no Python/),
    });
  });
});

describe("almanac model test says what is wrong", () => {
  test.each<[string, string, RegExp]>([
    ["no class", "import tracker\n", /Setup: BAD_IMPLEMENTATION: No Inherited class found/],
    ["an import that fails", "import no_such_module\n", /no_such_module/],
    [
      "a constructor that raises",
      `${BASE}    def __init__(self):\n        raise ValueError("no idea")\n`,
      /Setup: SETUP_FAILED: no idea/,
    ],
    ["an exit at import", "import os\nos._exit(3)\n", /Setup: .*exited with 3/],
    ["an exception in tick", `${BASE}    def tick(self, data):\n        raise KeyError("x")\n`, /tick: MODEL_FAILED/],
    ["no predict", `${BASE}    def tick(self, data): pass\n    predict = None\n`, /predict: /],
    [
      "an answer of another shape",
      `${BASE}    def tick(self, data): pass\n    def predict(self, *a, **k): return {"v": 1}\n`,
      /predict: output refused: value/,
    ],
    [
      "an answer that is no number",
      `${BASE}    def tick(self, data): pass\n    def predict(self, *a, **k): return {"value": float("nan")}\n`,
      /predict: .*NOT_FINITE/,
    ],
  ])("%s", async (name, text, message) => {
    const { code, out } = await almanac("model", "test", file(`${name.replaceAll(" ", "_")}.py`, text));
    expect(out).toMatch(/^model test {3}FAILED$/m);
    expect(out).toMatch(message);
    expect(code).toBe(1);
  });

  test("too slow, as JSON", async () => {
    const path = file(
      "slow.py",
      `${BASE}    def tick(self, data): pass\n    def predict(self, *a, **k):\n        while True: pass\n`,
    );
    const { code, out } = await almanac("model", "test", path, "--timeout", "1", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      code: "MODEL_RUNNER_MULTIPLE_TIMEOUT",
      problem: expect.stringMatching(/within 1000 ms/),
    });
  });
});
