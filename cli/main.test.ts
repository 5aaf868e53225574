import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { runCommand } from "./main.ts";

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined; // a command that sets it would decide the next one's
});

/** Runs the command line; gives back the exit code and what it printed. */
async function run(...args: string[]) {
  const printed: string[] = [];
  const collect = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
  vi.spyOn(console, "error").mockImplementation(collect);
  const code = await runCommand(args);
  vi.restoreAllMocks();
  return { code, text: printed.join("") };
}

test.each([
  { name: "an unknown flag", args: ["migrate", "--dry-runn"], code: 2, text: /unknown option '--dry-runn'/ },
  { name: "a mistyped flag", args: ["--versoin"], code: 2, text: /Did you mean --version\?/ },
  { name: "a mistyped command", args: ["migrte"], code: 2, text: /Did you mean migrate\?/ },
  { name: "an argument too many", args: ["migrate", "now"], code: 2, text: /too many arguments/ },
  {
    name: "an unknown role",
    args: ["start", "feed,oracle"],
    code: 2,
    text: /Unknown role oracle; roles are feed, predict/,
  },
  { name: "chain without a command", args: ["chain"], code: 2, text: /nonce-create/ },
  { name: "model without a command", args: ["model"], code: 2, text: /Usage: almanac model/ },
  { name: "an unknown model command", args: ["model", "tset", "x"], code: 2, text: /Did you mean test\?/ },
  { name: "a model's name with blanks", args: ["model", "new", "My Model"], code: 2, text: /lower-case letters/ },
  { name: "a test of nothing", args: ["model", "test", "./nothing.py"], code: 2, text: /no such file or folder/ },
  { name: "a time-out that is none", args: ["model", "test", ".", "--timeout", "0"], code: 2, text: /0\.001 or more/ },
  { name: "an upload of nothing", args: ["model", "upload", "./nothing.py"], code: 2, text: /no such file or folder/ },
  {
    name: "a void without a reason",
    args: ["round", "void", "--from", "2026-11-21", "--to", "2026-11-22"],
    code: 2,
    text: /--reason/,
  },
  { name: "a void from no time", args: ["round", "void", "--from", "noon"], code: 2, text: /ISO 8601 time, such as/ },
  {
    name: "a rescore from no time",
    args: ["rescore", "start", "--from", "noon"],
    code: 2,
    text: /ISO 8601 time, such as/,
  },
  { name: "an adoption without a reason", args: ["rescore", "adopt", "x"], code: 2, text: /'--reason <text>'/ },
  { name: "a replay of nothing", args: ["round", "replay"], code: 2, text: /missing required argument 'id'/ },
  { name: "a run of nothing", args: ["model", "run", "./nothing.py"], code: 1, text: /There is no file or folder/ },
  { name: "logs of nobody", args: ["model", "logs"], code: 2, text: /missing required argument 'id'/ },
  {
    name: "an address that is none",
    args: ["model", "list", "--to", "node"],
    code: 1,
    text: /give a URL, as in http/,
  },
  {
    name: "an orchestrator that is not there",
    args: ["model", "list", "--to", "http://127.0.0.1:1"],
    code: 1,
    text: /No orchestrator answers at http:\/\/127\.0\.0\.1:1/,
  },
  { name: "a retry of nothing", args: ["dead-letter", "retry"], code: 2, text: /Name dead letters by their numbers/ },
  { name: "an excuse without a reason", args: ["dead-letter", "excuse", "1"], code: 2, text: /'--reason <text>'/ },
  {
    name: "a node that is not there",
    args: ["dead-letter", "list", "--node", "http://127.0.0.1:1"],
    code: 7,
    text: /No node answers at http:\/\/127\.0\.0\.1:1/,
  },
  {
    name: "a check of no competition",
    args: ["competition", "check", "nowhere.ts"],
    code: 2,
    text: /COMPETITION=nowhere\.ts: 1 mistake\(s\):\n {2}module: cannot be loaded/,
  },
  { name: "help", args: ["--help"], code: 0, text: /Usage: almanac/ },
  { name: "help of a command", args: ["help", "start"], code: 0, text: /comma separated: feed, predict/ },
  { name: "the version", args: ["--version"], code: 0, text: /^\d+\.\d+\.\d+\n$/ },
])("$name ends with $code", async ({ args, code, text }) => {
  const result = await run(...args);
  expect(result.text).toMatch(text);
  expect(result.code).toBe(code);
});

test("npm run almanac reaches the command, and prints nothing else", () => {
  const root = join(import.meta.dirname, "..");
  const { stdout, status } = spawnSync(process.execPath, ["local/launch.mjs", "cli/main.ts", "migrte"], {
    cwd: root,
    encoding: "utf8",
  });
  expect([stdout, status]).toEqual(["", 2]);
  expect(
    spawnSync(process.execPath, ["local/launch.mjs", "cli/main.ts", "--version"], { cwd: root, encoding: "utf8" })
      .stdout,
  ).toMatch(/^\d+\.\d+\.\d+\n$/);
});
