import { join, VariantError } from "./variant-error.ts";

export const MAX_DEPTH = 32;

/** A number that Python must see as a float although it is whole: 93000.0. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** Marks a number as a float for Python models: `float(93000)` is written 93000.0. */
export const float = (value: number): Float => new Float(value);

/**
 * JSON text as the public node writes it (Python's json.dumps: ", " and ": ", ASCII only, shortest floats).
 * Takes null, booleans, numbers, bigint, Float, text, arrays, plain objects and Maps with text keys (a Map keeps the order of integer-like keys).
 * @throws VariantError naming the key: NOT_FINITE, BAD_TYPE, TOO_DEEP
 */
export const writeJson = (value: unknown): string => write(value, "", 0);

function write(value: unknown, where: string, depth: number): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return writeNumber(value, where);
  if (typeof value === "string") return writeText(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Float) return floatText(value.value, where);
  if (depth >= MAX_DEPTH) throw new VariantError("TOO_DEEP", `nested deeper than ${MAX_DEPTH}`, where);
  if (Array.isArray(value)) return `[${value.map((item, i) => write(item, join(where, i), depth + 1)).join(", ")}]`;
  if (value instanceof Map) return writeEntries([...value], where, depth);
  if (isPlain(value)) return writeEntries(Object.entries(value), where, depth);
  throw new VariantError("BAD_TYPE", `${nameOf(value)} cannot be written as JSON`, where);
}

function writeEntries(entries: [unknown, unknown][], where: string, depth: number): string {
  const parts = entries.map(([key, item]) => {
    if (typeof key !== "string") throw new VariantError("BAD_TYPE", `key ${String(key)} is not text`, where);
    return `${writeText(key)}: ${write(item, join(where, key), depth + 1)}`;
  });
  return `{${parts.join(", ")}}`;
}

// Whole numbers are ints up to 2^53; -0 and everything beyond can only have been a float.
function writeNumber(value: number, where: string): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : floatText(value, where);
}

/** Python's repr of a float: exponent form below 1e-4 and from 1e16. */
function floatText(value: number, where: string): string {
  if (!Number.isFinite(value)) throw new VariantError("NOT_FINITE", `${value} is no JSON number`, where);
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const text = exponent < -6 ? value.toFixed(-exponent) : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

const PLAIN_ASCII = /^[ !#-[\]-~]*$/;
const writeText = (text: string): string =>
  PLAIN_ASCII.test(text)
    ? `"${text}"`
    : JSON.stringify(text).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const nameOf = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
