import { describe, expect, test } from "vitest";
import { z } from "zod";
import { sampleValues } from "./sample-values.ts";

type Tree = { value: number; parts: Tree[] };
const tree: z.ZodType<Tree> = z.object({ value: z.number(), parts: z.lazy(() => z.array(tree)) });

describe("samples of a schema are different values that it takes", () => {
  test.each([
    ["a number", z.object({ value: z.number() })],
    ["a share", z.object({ p: z.number().min(0).max(1) })],
    ["a count", z.object({ n: z.int().positive() })],
    ["a price above 1000", z.object({ price: z.number().gt(1_000) })],
    ["a bounded integer", z.int().min(-3).max(3)],
    ["a list of three", z.array(z.number()).length(3)],
    ["a pair", z.tuple([z.number(), z.int()])],
    ["a choice", z.object({ side: z.enum(["up", "down"]), size: z.number().positive() })],
    [
      "kinds",
      z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("a"), x: z.number() }),
        z.object({ kind: z.literal("b"), y: z.string() }),
      ]),
    ],
    ["by name", z.record(z.string(), z.number())],
    ["optional and nullable", z.object({ a: z.number().nullable(), b: z.number().optional() })],
    ["a coerced number", z.object({ value: z.coerce.number() })],
    ["a transformed number", z.object({ value: z.number().transform((x) => x * 2) })],
    ["a tree", tree],
  ])("%s", (_name, schema) => {
    const samples = sampleValues(schema as z.ZodType, 4);
    expect(samples.length).toBeGreaterThan(1);
    expect(new Set(samples.map((s) => JSON.stringify(s))).size).toBe(samples.length);
  });

  test("none where the schema has rules that nothing made of its shape fulfils", () => {
    expect(
      sampleValues(
        z.object({ value: z.number() }).refine(() => false),
        4,
      ),
    ).toEqual([]);
    expect(
      sampleValues(
        z.custom<Date>((v) => v instanceof Date),
        4,
      ),
    ).toEqual([]);
  });
});
