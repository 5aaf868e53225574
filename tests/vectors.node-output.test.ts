import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { judge } from "../activities/judge.ts";
import { defineCompetition } from "../competitions/define.ts";
import type { CallResult } from "../models/client/fleet.ts";

interface Case {
  name: string;
  input: { output: unknown };
  expected: { valid: boolean; output: unknown };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "wire.json"), "utf8")) as { cases: Case[] };
const outputs = cases.filter(({ name }) => name.startsWith("node-output/"));

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  if ("$float" in value) return Number(value.$float);
  if ("$num" in value) return Number(value.$num);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untag(item)]));
}

/** Where the default contract is stricter than the public node, on purpose: a number is a number, and finite. */
const isStricter = ({ input }: Case): boolean => {
  const { value } = untag(input.output) as { value?: unknown };
  return (
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && !Number.isFinite(value))
  );
};

const contract = defineCompetition({ id: "default", score: () => ({ value: 0 }) });
const answered = (output: unknown): CallResult => ({
  modelId: "1",
  deploymentId: "d",
  status: "SUCCESS",
  output,
  execTimeUs: 1,
  waitUs: 0,
  modelName: "m",
  cruncherName: "c",
  cruncherId: "c",
  detail: null,
});

describe("outputs, judged by the default contract", () => {
  test.each(outputs.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    const judged = judge(contract, { subject: "X" }, answered(untag(c.input.output)));
    if (!c.expected.valid || isStricter(c)) {
      expect(judged).toMatchObject({ status: "FAILED", outcome: "failed", output: null });
      return expect(judged.reason).toMatch(/^output refused: .*value/);
    }
    expect(judged).toMatchObject({ status: "PENDING", outcome: "answered", reason: null });
    return expect(judged.output).toMatchObject({ value: (untag(c.expected.output) as { value: number }).value });
  });
});
