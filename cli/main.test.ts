import { afterEach, expect, test, vi } from "vitest";
import { runCommand } from "./main.ts";

afterEach(() => void vi.restoreAllMocks());

/** Runs the command line; gives back the exit code and what it printed. */
async function run(...args: string[]) {
  const printed: string[] = [];
  const collect = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
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
  { name: "help", args: ["--help"], code: 0, text: /Usage: almanac/ },
  { name: "help of a command", args: ["help", "start"], code: 0, text: /comma separated: feed, predict/ },
  { name: "the version", args: ["--version"], code: 0, text: /^\d+\.\d+\.\d+\n$/ },
])("$name ends with $code", async ({ args, code, text }) => {
  const result = await run(...args);
  expect(result.text).toMatch(text);
  expect(result.code).toBe(code);
});
