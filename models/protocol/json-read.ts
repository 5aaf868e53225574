import { MAX_DEPTH } from "./json-write.ts";
import { join, VariantError } from "./variant-error.ts";

const MAX_JSON_BYTES = 1 << 20;
export const MAX_KEYS = 10_000;
// Python's int(…) to float overflows here too; longer ones are an attack, not a number.
const MAX_INT_DIGITS = 309;
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of UTF-8 bytes; BAD_UTF8 instead of replacement characters. */
export function readText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new VariantError("BAD_UTF8", "bytes are not valid UTF-8");
  }
}

/**
 * Strict JSON from an untrusted peer: at most 1 MiB, 32 deep, 10,000 keys, finite numbers, no NUL, no lone surrogates,
 * no `__proto__`, `constructor` or `prototype`. Whole numbers outside ±2^53 come out as bigint.
 * @throws VariantError naming the key
 */
export function readJson(bytes: Uint8Array): unknown {
  if (bytes.length > MAX_JSON_BYTES)
    throw new VariantError("TOO_LARGE", `${bytes.length} bytes of JSON, at most ${MAX_JSON_BYTES}`);
  checkDepth(bytes);
  const text = readText(bytes);
  const value = parse(text);
  check(value, "", { keys: 0 });
  return value;
}

/** Before the parse, which would build all of it: brackets outside text, byte by byte. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i];
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > MAX_DEPTH) throw new VariantError("TOO_DEEP", `nested deeper than ${MAX_DEPTH}`);
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
}

function parse(text: string): unknown {
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text);
  } catch (error) {
    if (error instanceof VariantError) throw error;
    throw notFinite(text) ?? new VariantError("BAD_JSON", `not JSON (${(error as Error).message.slice(0, 120)})`);
  }
}

function exactIntegers(key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined || !/^-?\d+$/.test(source))
    return value;
  if (source.length > MAX_INT_DIGITS) throw new VariantError("NOT_FINITE", `a number of ${source.length} digits`, key);
  return BigInt(source);
}

/** Python writes bare NaN and Infinity: tell the author under which key. */
function notFinite(text: string): VariantError | undefined {
  let key = "";
  for (const match of text.matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?|NaN|-?Infinity/g)) {
    if (match[1] === undefined)
      return new VariantError("NOT_FINITE", `${match[0]} is no JSON number`, key.slice(0, 60));
    if (match[2] !== undefined) key = match[1];
  }
  return undefined;
}

function check(value: unknown, where: string, count: { keys: number }): void {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new VariantError("NOT_FINITE", "a number beyond the range of a double", where);
  } else if (typeof value === "string") checkText(value, where);
  else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      // Paths are text: build one only where it can be needed.
      if (typeof item !== "number" || !Number.isFinite(item)) check(item, join(where, i), count);
    }
  } else if (typeof value === "object" && value !== null) checkObject(value, where, count);
}

function checkObject(value: object, where: string, count: { keys: number }): void {
  for (const [key, item] of Object.entries(value)) {
    if (++count.keys > MAX_KEYS) throw new VariantError("TOO_MANY_KEYS", `more than ${MAX_KEYS} keys`);
    if (FORBIDDEN.has(key)) throw new VariantError("BAD_KEY", `the key ${key} is refused`, where);
    checkText(key, where);
    check(item, join(where, key), count);
  }
}

/** NUL and half surrogate pairs: PostgreSQL's jsonb refuses both. */
export function checkText(text: string, where: string): void {
  if (text.includes("\0")) throw new VariantError("BAD_TEXT", "text holds a NUL character", where);
  if (!text.isWellFormed()) throw new VariantError("BAD_TEXT", "text holds half a surrogate pair", where);
}
