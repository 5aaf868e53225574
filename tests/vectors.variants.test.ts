import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Float } from "../models/protocol/json-write.ts";
import { Table } from "../models/protocol/tables.ts";
import {
  decodeVariant,
  detectType,
  encodeVariant,
  VARIANT_TYPES,
  type VariantType,
} from "../models/protocol/variant.ts";

interface Answer {
  bytes?: string;
  decoded?: unknown;
  value?: unknown;
  type?: string;
  error?: { type: string };
  columns?: Record<string, unknown[]>;
}
interface Case {
  name: string;
  fn: string;
  portable?: boolean;
  input: { type: VariantType | number; value?: unknown; bytes?: string };
  expected: { both?: Answer; client?: Answer; pyarrow?: Answer };
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "variants.json"), "utf8")) as { cases: Case[] };
const portable = cases.filter((c) => c.portable !== false);

/** A Python-only value without a counterpart here. */
const ABSENT = Symbol("no counterpart");
const NEAREST: Record<string, unknown> = {
  set: new Set([1]),
  bytes: Buffer.from("x"),
  date: new Date(0),
  "datetime inside object": { at: new Date(0) },
  "data frame": new Table([]),
};

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  const tag = value as Record<string, unknown>;
  if ("$num" in tag) return Number(tag.$num);
  if ("$int" in tag) return BigInt(tag.$int as string);
  if ("$float" in tag) return new Float(Number(tag.$float));
  if ("$bytes" in tag) return Buffer.from(tag.$bytes as string, "base64");
  if ("$utf16" in tag) return String.fromCharCode(...(tag.$utf16 as number[]));
  if ("$frame" in tag) return tableOf(tag.$frame as Frame);
  if ("$python" in tag) return NEAREST[tag.$python as string] ?? ABSENT;
  return Object.fromEntries(Object.entries(tag).map(([key, item]) => [key, untag(item)]));
}

interface Frame {
  columns: { name: string; dtype: string }[];
  rows: unknown[][];
}
const tableOf = ({ columns, rows }: Frame): Table =>
  new Table(columns.map(({ name }, i) => ({ name, values: rows.map((row) => untag(row[i])) })));

const some = (value: unknown, match: (leaf: unknown) => boolean): boolean => {
  if (match(value)) return true;
  if (typeof value !== "object" || value === null || value instanceof Float) return false;
  return Object.entries(value).some(([key, item]) => match(key) || some(item, match));
};
const number = (leaf: unknown) => (leaf instanceof Float ? leaf.value : leaf);
const depth = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;

/** Where ours refuses on purpose what the peer sends or takes. */
const DELIBERATE: {
  reason: string;
  applies: (value: unknown, type: unknown, bytes?: Buffer) => boolean;
  when: "encode" | "decode" | "both";
}[] = [
  {
    reason: "NaN and infinities are no data: refused on the way out and in",
    when: "both",
    applies: (value) => some(value, (leaf) => typeof number(leaf) === "number" && !Number.isFinite(number(leaf))),
  },
  {
    reason: "INT has exactly 8 bytes; the peer takes any length",
    when: "decode",
    applies: (_v, type, bytes) => type === "INT" && bytes?.length !== 8,
  },
  {
    reason: "NUL and half surrogate pairs cannot be stored in jsonb",
    when: "decode",
    applies: (value) =>
      some(value, (leaf) => typeof leaf === "string" && (leaf.includes("\0") || !leaf.isWellFormed())),
  },
  {
    reason: "JSON nested deeper than 32 is an attack on whoever walks it",
    when: "decode",
    applies: (value) => depth(value) > 32,
  },
];
const refused = (when: "encode" | "decode", value: unknown, type: unknown, bytes?: Buffer) =>
  DELIBERATE.find((d) => (d.when === when || d.when === "both") && d.applies(value, type, bytes))?.reason;

/** Numbers without their Python kind, instants in ms, columns as plain lists. */
function plain(value: unknown): unknown {
  if (value instanceof Float) return value.value;
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}
const cell = (value: unknown): unknown => {
  if (value instanceof Date) return value.getTime();
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value))
    return Date.parse(value.replace(/(\.\d{3})\d+/, "$1"));
  if (typeof value === "number" && Number.isNaN(value)) return null;
  return typeof value === "bigint" ? Number(value) : (value ?? null);
};
const columnsOf = (table: Table) =>
  Object.fromEntries(table.columns.map(({ name, values }) => [name, values.map(cell)]));
const expectedColumns = (columns: Record<string, unknown[]>) =>
  Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.map((v) => cell(plain(untag(v))))]));
const floorMs = (columns: Record<string, unknown[]>) =>
  Object.fromEntries(
    Object.entries(columns).map(([name, values]) => [
      name,
      values.map((v) => (typeof v === "number" && v > 1e12 ? Math.floor(v) : v)),
    ]),
  );

const hasIntegerKeys = (value: unknown) => some(value, (leaf) => typeof leaf === "string" && /^\d+$/.test(leaf));
const typeNumber = (type: VariantType | number) => (typeof type === "number" ? type : VARIANT_TYPES[type]);

describe("encode", () => {
  test.each(portable.filter((c) => c.fn === "encode_data").map((c) => [c.name, c] as const))(
    "%s",
    async (_name, { input, expected }) => {
      const answer = expected.both ?? expected.client!;
      const value = untag(input.value);
      if (some(value, (leaf) => leaf === ABSENT))
        return expect(input.value).toSatisfy((v) => JSON.stringify(v).includes("$python"));
      const encode = () => encodeVariant(input.type as VariantType, value);
      // Neither public side writes ARROW; ours does, from a table.
      if (input.type === "ARROW" && answer.error) return expect(await decodeVariant(encode())).toEqual(value);
      if (answer.error || refused("encode", value, input.type)) {
        if (input.type !== "PARQUET" || answer.error) return expect(encode).toThrow(/^[A-Z0-9_]+: /);
      }
      const theirs = Buffer.from(answer.bytes!, "base64");
      if (input.type === "PARQUET") {
        const wanted = floorMs(expectedColumns(answer.columns!));
        expect(
          floorMs(columnsOf((await decodeVariant({ type: VARIANT_TYPES.PARQUET, value: theirs })) as Table)),
        ).toEqual(wanted);
        const again = (await decodeVariant(encode())) as Table;
        return expect(columnsOf(again)).toEqual(columnsOf(value as Table));
      }
      const { value: ours } = encode();
      if (hasIntegerKeys(value))
        expect(JSON.parse(Buffer.from(ours).toString())).toEqual(JSON.parse(theirs.toString()));
      else expect(Buffer.from(ours).toString("base64")).toBe(answer.bytes);
      const decoded = untag(answer.decoded);
      if (refused("decode", decoded, input.type, theirs))
        return expect(() => decodeVariant({ type: typeNumber(input.type), value: theirs })).toThrow(/^[A-Z0-9_]+: /);
      return expect(plain(await decodeVariant({ type: typeNumber(input.type), value: theirs }))).toEqual(
        plain(decoded),
      );
    },
  );
});

describe("decode", () => {
  test.each(portable.filter((c) => c.fn === "decode_data").map((c) => [c.name, c] as const))(
    "%s",
    async (_name, { input, expected }) => {
      const answer = expected.both ?? expected.client!;
      const bytes = Buffer.from(input.bytes!, "base64");
      const wanted = untag(answer.value);
      const decode = async () => decodeVariant({ type: typeNumber(input.type), value: bytes });
      if (answer.error || refused("decode", wanted, input.type, bytes))
        return expect(decode()).rejects.toThrow(/^[A-Z0-9_]+: /);
      return expect(plain(await decode())).toEqual(plain(wanted));
    },
  );
});

describe("detect", () => {
  test.each(portable.filter((c) => c.fn === "detect_data_type").map((c) => [c.name, c] as const))(
    "%s",
    (_name, { input, expected }) => {
      const answer = expected.both ?? expected.client!;
      const value = untag(input.value);
      if (value === ABSENT) return expect(JSON.stringify(input.value)).toContain("$python");
      if (answer.error) return expect(() => detectType(value)).toThrow(/^BAD_TYPE: /);
      return expect(detectType(value)).toBe(answer.type);
    },
  );
});

describe("Arrow files of pyarrow", () => {
  test.each(portable.filter((c) => c.fn === "pyarrow.ipc").map((c) => [c.name, c] as const))(
    "%s",
    async (_name, { input, expected }) => {
      const theirs = { type: VARIANT_TYPES.ARROW, value: Buffer.from(input.bytes!, "base64") };
      const table = (await decodeVariant(theirs)) as Table;
      const wanted = expectedColumns(expected.pyarrow!.columns!);
      expect(floorMs(columnsOf(table))).toEqual(floorMs(wanted));
      const again = (await decodeVariant(encodeVariant("ARROW", table))) as Table;
      expect(columnsOf(again)).toEqual(columnsOf(table));
    },
  );
});
