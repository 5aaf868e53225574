import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { CompetitionError } from "./competition-error.ts";
import { type LoadOptions, loadCompetition } from "./load.ts";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const DEFINE = JSON.stringify(join(import.meta.dirname, "define.ts"));
const RELATIVE = JSON.stringify(relative(join(tmpdir(), "one-folder"), join(import.meta.dirname, "close-to-close.ts")));
const contract = (fields = "score: (p, t) => ({ value: p.value * t.profit })"): string =>
  `import { defineCompetition } from ${DEFINE};\nexport default defineCompetition({ id: "x", ${fields} });\n`;

/** A competition's folder with these files; every one is a new module to Node. */
async function competition(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "almanac-competition-"));
  folders.push(folder);
  for (const [path, text] of Object.entries({ "competition.ts": contract(), ...files })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return join(folder, "competition.ts");
}
const load = async (files: Record<string, string>, options: LoadOptions = { dryRun: true }) =>
  loadCompetition(await competition(files), ["BTC"], options);
async function problemsOf(files: Record<string, string>, options: LoadOptions = { dryRun: true }): Promise<string[]> {
  const error = await load(files, options).then(
    () => null,
    (raised: unknown) => raised,
  );
  expect(error).toBeInstanceOf(CompetitionError);
  return (error as CompetitionError).problems.map(({ where, what }) => `${where}: ${what}`);
}

describe("a callable that is named", () => {
  const scorers =
    "export const twice = (p: any, t: any) => ({ value: 2 * p.value * t.profit });\nexport const five = 5;\n";

  test("by the contract or the environment is a TypeScript export beside the contract or a path; the environment wins", async () => {
    const files = {
      "competition.ts": contract('score: "scorers.ts:twice"'),
      "scorers.ts": scorers,
      "other.ts": "export default () => ({ value: 1 });",
    };
    const own = await load(files);
    expect(own.competition.score({ value: 2 }, { profit: 3 })).toEqual({ value: 12 });
    expect(own.contractBody.callables.score).toMatchObject({ reference: "scorers.ts:twice", language: "typescript" });
    const asked = await load(files, { callables: { SCORING_FUNCTION: "other.ts" } });
    expect(asked.competition.score({ value: 2 }, { profit: 3 })).toEqual({ value: 1 });
    expect(asked.scorer.hash).not.toBe(own.scorer.hash);
  });

  test.each([
    [
      "nowhere.ts:score",
      /^SCORING_FUNCTION: nowhere\.ts:score: no such file; looked for .*almanac-competition-.*nowhere\.ts and .*nowhere\.ts$/,
    ],
    [
      "scorers.ts:thrice",
      /^SCORING_FUNCTION: scorers\.ts:thrice: .*scorers\.ts exports no thrice; its functions are twice$/,
    ],
    ["scorers.ts:five", /^SCORING_FUNCTION: scorers\.ts:five: five of .*scorers\.ts is number, not a function$/],
    ["broken.ts:score", /^SCORING_FUNCTION: broken\.ts:score: .*broken\.ts cannot be imported: Error: at once$/],
    [
      "rules.scoring:score",
      /^SCORING_FUNCTION: rules\.scoring:score: no module rules\.scoring; looked for rules\/scoring\.py and rules\/scoring\/__init__\.py in .*almanac-competition-\w+$/,
    ],
    ["whatever", /^SCORING_FUNCTION: whatever is none: name a path to a TypeScript export/],
  ])("%s is not found, and it is said where it was looked for", async (text, says) => {
    const files = { "scorers.ts": scorers, "broken.ts": 'throw new Error("at once");' };
    const [problem] = await problemsOf(files, { callables: { SCORING_FUNCTION: text } });
    expect(problem).toMatch(says);
  });

  test("in Python is found and hashed also where it is not run", async () => {
    const loaded = await load(
      { "challenge/tracker/scoring.py": "def score(p, t): return 1.0\n" },
      { callables: { SCORING_FUNCTION: "tracker.scoring:score" } },
    );
    expect(loaded.contractBody.callables.score).toMatchObject({ language: "python" });
    expect(() => loaded.competition.score({}, {})).toThrow(/score is tracker\.scoring:score, a Python callable/);
  });
});

test("all mistakes are told at once: of callables, fields, schedule and the dry run", async () => {
  const fields =
    'score: () => ({ value: 0 }), windows: [], metrics: ["x"], ranking: { key: "overall", direction: "desc" }';
  const problems = await problemsOf({ "competition.ts": contract(fields) }, { dryRun: true, granularityMs: 3_600_000 });
  expect(problems.map((p) => p.split(":")[0])).toEqual([
    "windows",
    "metrics",
    "schedule BTC-60.resolveAfterMs",
    "score",
  ]);
  expect(
    await problemsOf({ "competition.ts": contract(fields) }, { callables: { LEADERBOARD_RANKER: "no.ts" } }),
  ).toHaveLength(3);
});

test("a module that is none, or that throws, is named", async () => {
  expect(await problemsOf({ "competition.ts": "export const x = 1;" })).toEqual([
    expect.stringMatching(/^default export: is no competition/),
  ]);
  expect(await problemsOf({ "competition.ts": 'throw new Error("no luck");' })).toEqual([
    expect.stringMatching(/^module: cannot be loaded: Error: no luck/),
  ]);
  await expect(loadCompetition("nowhere.ts", ["BTC"])).rejects.toThrow(
    /^COMPETITION=nowhere\.ts: 1 mistake\(s\):\n {2}module: cannot be loaded/,
  );
});

describe("hashes", () => {
  const files = {
    "competition.ts": `import { scale } from "./lib/scale.ts";\nimport { closeToClose } from ${RELATIVE};\nimport type { Unit } from "./lib/unit.ts";\n${contract('score: "scoring:score", resolveTruth: closeToClose, title: String(scale satisfies Unit)')}`,
    "lib/scale.ts": "export const scale = 1;\n",
    "lib/unit.ts": "export type Unit = number;\n",
    "scoring.py": "from rules import SCALE\ndef score(p, t): return p['value'] * SCALE\n",
    "rules.py": "SCALE = 2\n",
    "challenge/examples/model.py": "x = 1\n",
    "notes.md": "x",
  };
  const hashes = async (change: Record<string, string> = {}, options: LoadOptions = {}) => {
    const { contractHash, scorerHash } = await load({ ...files, ...change }, options);
    return { contractHash, scorerHash };
  };

  test("are the same on another place of the machine, and name no path of it", async () => {
    expect(await hashes()).toEqual(await hashes());
    const { contractBody } = await load(files, {});
    const names = Object.keys(contractBody.sources);
    expect(names).toEqual(
      expect.arrayContaining(["competition.ts", "lib/scale.ts", "scoring.py", "node/competitions/close-to-close.ts"]),
    );
    for (const place of [tmpdir(), process.cwd()]) expect(names.join()).not.toContain(place.slice(1));
  });

  test.each([
    ["what the scorer imports", { "rules.py": "SCALE = 3\n" }, { contract: true, scorer: true }],
    ["another file of the folder", { "lib/scale.ts": "export const scale = 2;\n" }, { contract: true, scorer: false }],
    ["an example model", { "challenge/examples/model.py": "x = 2\n" }, { contract: false, scorer: false }],
    ["a text", { "notes.md": "y" }, { contract: false, scorer: false }],
    ["a test", { "scale.test.ts": "x" }, { contract: false, scorer: false }],
  ])("a change of %s", async (_what, change, changes) => {
    const [before, after] = [await hashes(), await hashes(change)];
    expect({
      contract: before.contractHash !== after.contractHash,
      scorer: before.scorerHash !== after.scorerHash,
    }).toEqual(changes);
  });

  test("a callable of the environment, and another schedule, are another contract under the same scorer", async () => {
    const before = await hashes();
    const validator = await hashes(
      { "check.ts": "export default () => undefined;" },
      { callables: { INFERENCE_OUTPUT_VALIDATOR: "check.ts" } },
    );
    const without = await hashes({ "check.ts": "export default () => undefined;" });
    expect(validator.contractHash).not.toBe(without.contractHash);
    expect(validator.scorerHash).toBe(before.scorerHash);
    const more = await loadCompetition(await competition(files), ["BTC", "ETH"]);
    expect([more.contractHash === before.contractHash, more.scorerHash]).toEqual([false, before.scorerHash]);
  });
});
