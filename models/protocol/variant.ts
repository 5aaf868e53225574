import { checkText, readJson, readText } from "./json-read.ts";
import { Float, writeJson } from "./json-write.ts";
import { readTable } from "./table-reader.ts";
import { Table, writeArrow, writeParquet } from "./tables.ts";
import { VariantError } from "./variant-error.ts";

/** Numbers of the public enum commons.VariantType. */
export const VARIANT_TYPES = { NONE: 0, DOUBLE: 1, INT: 2, STRING: 3, PARQUET: 4, ARROW: 5, JSON: 6 } as const;
export type VariantType = keyof typeof VARIANT_TYPES;
/** A value on the wire, as the generated message holds it. */
export interface Variant {
  type: number;
  value: Uint8Array;
}

const MAX_VALUE_BYTES = 4 << 20;
const MAX_STRING_BYTES = 64 << 10;
const MAX_INT = (1n << 63n) - 1n;
const MIN_INT = -(1n << 63n);
const NOTHING = new Uint8Array(0);
const text = new TextEncoder();

/**
 * Bytes of a value for a peer. `where` names the argument in the error.
 * INT takes numbers, bigint and booleans; JSON see writeJson; PARQUET and ARROW take a Table.
 * @throws VariantError
 */
export function encodeVariant(type: VariantType, value: unknown, where = ""): Variant {
  try {
    const bytes = encode(type, value);
    if (bytes.length > MAX_VALUE_BYTES)
      throw new VariantError("TOO_LARGE", `${bytes.length} bytes, at most ${MAX_VALUE_BYTES}`);
    return { type: VARIANT_TYPES[type], value: bytes };
  } catch (error) {
    if (!(error instanceof VariantError) || where === "") throw error;
    throw new VariantError(error.code, error.message.slice(error.code.length + 2), where);
  }
}

function encode(type: VariantType, value: unknown): Uint8Array {
  switch (type) {
    case "NONE":
      return NOTHING;
    case "DOUBLE":
      return encodeDouble(value);
    case "INT":
      return encodeInt(value);
    case "STRING":
      return encodeString(value);
    case "JSON":
      return text.encode(writeJson(value));
    case "PARQUET":
    case "ARROW":
      if (!(value instanceof Table)) throw new VariantError("BAD_TYPE", `${type} takes a Table, got ${typeof value}`);
      return type === "PARQUET" ? writeParquet(value) : writeArrow(value);
    default:
      throw new VariantError("UNKNOWN_TYPE", `no variant type ${String(type)}`);
  }
}

function encodeDouble(value: unknown): Uint8Array {
  const number =
    value instanceof Float
      ? value.value
      : typeof value === "bigint" || typeof value === "boolean"
        ? Number(value)
        : value;
  if (typeof number !== "number") throw new VariantError("BAD_TYPE", `DOUBLE takes a number, got ${typeof value}`);
  if (!Number.isFinite(number)) throw new VariantError("NOT_FINITE", `${number} cannot be sent`);
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number);
  return bytes;
}

function encodeInt(value: unknown): Uint8Array {
  const whole =
    typeof value === "boolean" || (typeof value === "number" && Number.isInteger(value)) ? BigInt(value) : value;
  if (typeof whole !== "bigint")
    throw new VariantError(
      "BAD_TYPE",
      `INT takes a whole number, got ${typeof value === "number" ? value : typeof value}`,
    );
  if (whole > MAX_INT || whole < MIN_INT) throw new VariantError("OUT_OF_RANGE", `${whole} does not fit in 64 bits`);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(whole);
  return bytes;
}

function encodeString(value: unknown): Uint8Array {
  if (typeof value !== "string") throw new VariantError("BAD_TYPE", `STRING takes text, got ${typeof value}`);
  if (!value.isWellFormed()) throw new VariantError("BAD_TEXT", "text holds half a surrogate pair");
  const bytes = text.encode(value);
  if (bytes.length > MAX_STRING_BYTES)
    throw new VariantError("TOO_LARGE", `${bytes.length} bytes of text, at most ${MAX_STRING_BYTES}`);
  return bytes;
}

/**
 * The value an untrusted peer sent. INT outside ±2^53 is a bigint; a table is promised, everything else is there at once.
 * @throws VariantError (a table's promise rejects with it)
 */
export function decodeVariant(variant: Variant): unknown {
  const { type, value } = variant;
  switch (type) {
    case VARIANT_TYPES.NONE:
      return null;
    case VARIANT_TYPES.DOUBLE:
      return decodeDouble(view(value, "DOUBLE"));
    case VARIANT_TYPES.INT:
      return decodeInt(view(value, "INT"));
    case VARIANT_TYPES.STRING:
      return decodeString(value);
    case VARIANT_TYPES.JSON:
      return readJson(value);
    case VARIANT_TYPES.PARQUET:
      return readTable("PARQUET", value);
    case VARIANT_TYPES.ARROW:
      return readTable("ARROW", value);
    default:
      throw new VariantError("UNKNOWN_TYPE", `no variant type ${type}`);
  }
}

function view(value: Uint8Array, type: string): DataView {
  if (value.length !== 8) throw new VariantError("BAD_LENGTH", `${type} of ${value.length} bytes, must be 8`);
  return new DataView(value.buffer, value.byteOffset, 8);
}

function decodeDouble(bytes: DataView): number {
  const number = bytes.getFloat64(0, true);
  if (!Number.isFinite(number)) throw new VariantError("NOT_FINITE", `DOUBLE is ${number}`);
  return number;
}

function decodeInt(bytes: DataView): number | bigint {
  const whole = bytes.getBigInt64(0, true);
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole;
}

function decodeString(value: Uint8Array): string {
  if (value.length > MAX_STRING_BYTES)
    throw new VariantError("TOO_LARGE", `${value.length} bytes of text, at most ${MAX_STRING_BYTES}`);
  const decoded = readText(value);
  checkText(decoded, "");
  return decoded;
}

/** The type that the public peers would choose for a value. @throws VariantError BAD_TYPE */
export function detectType(value: unknown): VariantType {
  if (value === null) return "NONE";
  if (typeof value === "boolean" || typeof value === "bigint") return "INT";
  if (typeof value === "number") return Number.isInteger(value) && !Object.is(value, -0) ? "INT" : "DOUBLE";
  if (value instanceof Float) return "DOUBLE";
  if (typeof value === "string") return "STRING";
  if (value instanceof Table) return "PARQUET";
  if (
    Array.isArray(value) ||
    (typeof value === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(value)))
  )
    return "JSON";
  throw new VariantError("BAD_TYPE", `no variant type for ${typeof value}`);
}
