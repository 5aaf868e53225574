import { VariantError, within } from "./variant-error.ts";

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
export const writeJson = (value: unknown): string => write(value, 0);

function write(value: unknown, depth: number): string {
  if (typeof value === "number") return writeNumber(value);
  if (typeof value === "string") return writeText(value);
  if (value === null || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Float) return floatText(value.value);
  if (depth >= MAX_DEPTH) throw new VariantError("TOO_DEEP", `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return writeList(value, depth);
  if (value instanceof Map) return writeMap(value, depth);
  if (isPlain(value)) return writeRecord(value, depth);
  throw new VariantError("BAD_TYPE", `${nameOf(value)} cannot be written as JSON`);
}

// Paths are text, made only when something cannot be written.
function writeList(items: readonly unknown[], depth: number): string {
  let at = 0;
  try {
    let text = "[";
    for (; at < items.length; at++) text += (at === 0 ? "" : ", ") + write(items[at], depth + 1);
    return `${text}]`;
  } catch (error) {
    throw within(error, at);
  }
}

function writeRecord(record: Readonly<Record<string, unknown>>, depth: number): string {
  let inside = "";
  try {
    let text = "";
    for (const key of Object.keys(record)) {
      inside = key;
      text += (text === "" ? "{" : ", ") + writeKey(key) + write(record[key], depth + 1);
    }
    return text === "" ? "{}" : `${text}}`;
  } catch (error) {
    throw within(error, inside);
  }
}

function writeMap(map: ReadonlyMap<unknown, unknown>, depth: number): string {
  for (const key of map.keys())
    if (typeof key !== "string") throw new VariantError("BAD_TYPE", `key ${String(key)} is not text`);
  let text = "";
  for (const [key, item] of map as ReadonlyMap<string, unknown>) {
    try {
      text += (text === "" ? "{" : ", ") + writeKey(key) + write(item, depth + 1);
    } catch (error) {
      throw within(error, key);
    }
  }
  return text === "" ? "{}" : `${text}}`;
}

// Whole numbers are ints up to 2^53; -0 and everything beyond can only have been a float.
function writeNumber(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : floatText(value);
}

/** Python's repr of a float: exponent form below 1e-4 and from 1e16. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) throw new VariantError("NOT_FINITE", `${value} is no JSON number`);
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) {
    const text = String(value);
    return Number.isInteger(value) ? `${text}.0` : text;
  }
  const [digits = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

const PLAIN_ASCII = /^[ !#-[\]-~]*$/;
const writeText = (text: string): string =>
  PLAIN_ASCII.test(text)
    ? `"${text}"`
    : JSON.stringify(text).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Records share their keys: those of the last ones are quoted already. */
const quoted = new Map<string, string>();
const MAX_QUOTED = 256;
const MAX_QUOTED_LENGTH = 64;
function writeKey(key: string): string {
  const known = quoted.get(key);
  if (known !== undefined) return known;
  const text = `${writeText(key)}: `;
  if (quoted.size === MAX_QUOTED) quoted.clear();
  if (key.length <= MAX_QUOTED_LENGTH) quoted.set(key, text);
  return text;
}

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const nameOf = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
