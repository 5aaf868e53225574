import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isModelsFault, reportedCode, sentenceOf } from "./failure.ts";
import { slugName } from "./names.ts";

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as {
  cases: { name: string; input: { failure_code: string }; expected: { orchestrator: { value: string } } }[];
};
const reported = cases.filter(({ name }) => name.startsWith("server-code/")).map((c) => [c.name, c] as const);

describe("what a client reports", () => {
  test("has vectors", () => expect(reported.length).toBeGreaterThan(0));
  test.each(reported)("%s", (_name, { input, expected }) => {
    const code = reportedCode(input.failure_code);
    expect(code).toBe(expected.orchestrator.value);
    expect(sentenceOf(code)).toMatch(/^[A-Z].+\.$/);
  });
});

test("a node's own faults are not held against a model", () => {
  expect(
    ["STOP_UNEXPECTED", "MODEL_RUNNER_CONNECTION_FAILED", "CLOUD_PROVIDER_RUN_EXCEPTION"].map((c) =>
      isModelsFault(c as "UNKNOWN"),
    ),
  ).toEqual([false, false, false]);
  expect(
    ["RUN_FAILED", "BUILD_FAILED", "MODEL_RUNNER_MULTIPLE_TIMEOUT"].map((c) => isModelsFault(c as "UNKNOWN")),
  ).toEqual([true, true, true]);
});

test("a name follows from the id", () => {
  expect(slugName("u1")).toBe(slugName("u1"));
  const names = new Set(Array.from({ length: 500 }, (_, i) => slugName(`u${i}`)));
  expect(names.size).toBeGreaterThan(400);
  for (const name of names) expect(name).toMatch(/^[a-z]+-[a-z]+$/);
});
