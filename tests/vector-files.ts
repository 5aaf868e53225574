import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";

const folder = resolve(process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors"));
const vectorCase = z.looseObject({ name: z.string(), fn: z.string(), input: z.unknown(), expected: z.unknown() });
export type VectorCase = z.output<typeof vectorCase>;

const TAGGED = z.union([z.strictObject({ $num: z.string() }), z.strictObject({ $float: z.string() })]);

/** Turns the tags for doubles (tests/vectors/README.md) into numbers, at any depth. */
function untag(value: unknown): unknown {
  const tagged = TAGGED.safeParse(value);
  if (tagged.success) return Number("$num" in tagged.data ? tagged.data.$num : tagged.data.$float);
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, untag(part)]));
}

/** The cases of one file of VECTORS_DIR, by default tests/vectors. */
export function vectorCases(file: string): VectorCase[] {
  const content: unknown = JSON.parse(readFileSync(join(folder, file), "utf8"));
  return z.object({ cases: z.array(vectorCase) }).parse(untag(content)).cases;
}

/** Any double, NaN and the infinities included. */
export const double = z.custom<number>((x) => typeof x === "number");

/** As close as the vectors promise: 1e-12 absolute or 1e-9 relative; NaN equals NaN. */
export const isClose = (a: number, b: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= Math.max(1e-12, 1e-9 * Math.abs(b));
