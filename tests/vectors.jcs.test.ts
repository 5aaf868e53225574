import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CanonicalError, canonicalBytes, canonicalText } from "../proofs/canonical.ts";

interface Case {
  name: string;
  fn: "number" | "canonicalize" | "canonicalize_value";
  input: { ieee_hex?: string; json_text?: string; value?: unknown };
  expected: { value?: unknown; error?: { type: string; message: string } };
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "jcs.json"), "utf8")) as { cases: Case[] };

/** The Python-only inputs in the nearest JavaScript has. */
const pythonValues: Record<string, unknown> = {
  "object with the key U+DFFF alone": { "\udfff": 1 },
  "mapping with the number 1 as a key": new Map([[1, 1]]),
  set: new Set([1]),
};

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  const tagged = value as Record<string, unknown>;
  if ("$num" in tagged) return Number(tagged.$num);
  if ("$int" in tagged) return BigInt(tagged.$int as string);
  if ("$float" in tagged) return Number(tagged.$float);
  if ("$bytes" in tagged) return Buffer.from(tagged.$bytes as string, "base64");
  if ("$utf16" in tagged) return String.fromCharCode(...(tagged.$utf16 as number[]));
  if ("$python" in tagged) return pythonValues[tagged.$python as string];
  return Object.fromEntries(Object.entries(tagged).map(([key, item]) => [key, untag(item)]));
}

const inputOf = ({ fn, input }: Case): unknown => {
  if (fn === "number") return Buffer.from(input.ieee_hex!, "hex").readDoubleBE();
  return fn === "canonicalize" ? JSON.parse(input.json_text!) : untag(input.value);
};

describe("RFC 8785 vectors", () => {
  test("the file holds cases", () => expect(cases.length).toBeGreaterThan(10));
  test.each(cases)("$name", (c) => {
    const value = inputOf(c);
    // An integer literal beyond 2^53 is a double once parsed, as the RFC says; the Python package refuses it.
    if (c.expected.error && c.fn === "canonicalize") return expect(canonicalText(value)).toBe(canonicalize(value));
    if (c.expected.error) return expect(() => canonicalText(value)).toThrow(CanonicalError);
    if (typeof c.expected.value === "string") return expect(canonicalText(value)).toBe(c.expected.value);
    const { text, bytes, sha256 } = c.expected.value as { text: string; bytes: string; sha256: string };
    expect(canonicalText(value)).toBe(text);
    expect(Buffer.from(canonicalBytes(value)).toString("base64")).toBe(bytes);
    expect(createHash("sha256").update(canonicalBytes(value)).digest("hex")).toBe(sha256);
  });
  test("agrees with an independent package on any JSON value, and reads back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
        expect(canonicalText(value)).toBe(canonicalize(value));
        expect(JSON.parse(canonicalText(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
  test("names the place of what JSON cannot say", () => {
    expect(() => canonicalText({ a: [1, Number.NaN] })).toThrow("$.a[1]: NaN is not representable in JSON");
    expect(() => canonicalText({ a: undefined })).toThrow("$.a: undefined has no canonical form");
    expect(() => canonicalText([new Date()])).toThrow("$[0]: Date has no canonical form");
  });
});
