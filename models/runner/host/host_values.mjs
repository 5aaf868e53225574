// Values of the public wire in JavaScript: VariantType numbers, strict both ways.
const [NONE, DOUBLE, INT, STRING, PARQUET, ARROW, JSON_TYPE] = [0, 1, 2, 3, 4, 5, 6];
export const CODE = {
  OK: 0,
  FAILED: 1,
  TOO_LARGE: 2,
  NOT_FINITE: 3,
  NO_METHOD: 4,
  NOT_SET_UP: 9,
  BAD_IMPLEMENTATION: 10,
  SETUP_FAILED: 11,
  INVALID_ARGUMENT: 12,
};
const MAX_BYTES = (4 << 20) - 4096;
const MAX_DEPTH = 1000;
const MAX_TEXT = 2000;
const MAX_INT = (1n << 63n) - 1n;
const MIN_INT = -(1n << 63n);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Why something is not done, with the code of the answer. */
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** An answer of words. */
export const text = (code, message) => ({
  code,
  type: STRING,
  data: Buffer.from(String(message).slice(0, MAX_TEXT).toWellFormed()),
});

/** A value of wire bytes. INT becomes bigint outside ±(2^53-1), also inside JSON. Throws for the model's author to read. */
export function decode(type, data) {
  if (type === JSON_TYPE) return readJson(utf8.decode(data));
  if (type === NONE) return null;
  if (type === STRING) return utf8.decode(data);
  if (type === DOUBLE || type === INT) {
    if (data.length !== 8) throw new Error(`a number has 8 bytes, not ${data.length}`);
    return type === DOUBLE ? data.readDoubleLE() : narrow(data.readBigInt64LE());
  }
  const reason = type === PARQUET || type === ARROW ? " (tables cannot be read by JavaScript models)" : "";
  throw new Error(`Unsupported data type: ${type}${reason}`);
}

const narrow = (whole) => (Number.isSafeInteger(Number(whole)) ? Number(whole) : whole);
const exact = (_key, value, { source }) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;

function readJson(source) {
  try {
    return /\d{16}/.test(source) ? JSON.parse(source, exact) : JSON.parse(source);
  } catch (error) {
    throw new Error(`Failed to decode JSON data: ${error.message}`);
  }
}

/**
 * Type and bytes of what a method returned. A bare number is a DOUBLE whatever its value, a bigint or a boolean an INT; inside
 * JSON numbers are written as JavaScript writes them, a bigint with all its digits.
 */
export function encode(value) {
  if (value === null || value === undefined) return { type: NONE, data: Buffer.alloc(0) };
  if (typeof value === "number") return { type: DOUBLE, data: encodeDouble(value) };
  if (typeof value === "bigint" || typeof value === "boolean") return { type: INT, data: encodeInt(BigInt(value)) };
  if (typeof value === "string") return { type: STRING, data: checked(wellFormed(value, [])) };
  return { type: JSON_TYPE, data: checked(writeJson(value, [], [])) };
}

function encodeDouble(value) {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(finite(value, []));
  return data;
}

function encodeInt(value) {
  if (value > MAX_INT || value < MIN_INT) throw new Error("int too big to convert");
  const data = Buffer.alloc(8);
  data.writeBigInt64LE(value);
  return data;
}

const place = (path) =>
  path.length === 0
    ? "the answer"
    : path
        .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
        .join("")
        .replace(/^\./, "");

function finite(value, path) {
  if (Number.isFinite(value)) return value;
  throw new Refusal(CODE.NOT_FINITE, `${place(path)} is ${value}; a number must be finite`);
}

function wellFormed(value, path) {
  if (value.isWellFormed()) return value;
  throw new Error(`${place(path)} holds half a surrogate pair, which is no text`);
}

/** Strict where JSON.stringify is silent: it would make null of NaN, {} of a Map, and nothing of a function. */
function writeJson(value, path, inside) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return JSON.stringify(finite(value, path));
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return JSON.stringify(wellFormed(value, path));
  if (typeof value !== "object") throw unfit(value, path);
  if (inside.includes(value)) throw new Error(`Circular reference detected in ${place(path)}`);
  if (inside.length >= MAX_DEPTH) throw new Error("the answer is nested too deep to be written as JSON");
  const deeper = [...inside, value];
  if (Array.isArray(value) || isNumbers(value))
    return `[${Array.from(value, (item, i) => writeJson(item, [...path, i], deeper))}]`;
  const kind = Object.getPrototypeOf(value);
  if (kind !== null && Object.getPrototypeOf(kind) !== null) throw unfit(value, path);
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${fields.map(([key, item]) => `${JSON.stringify(wellFormed(key, path))}:${writeJson(item, [...path, key], deeper)}`)}}`;
}

const isNumbers = (value) => ArrayBuffer.isView(value) && !(value instanceof DataView) && !Buffer.isBuffer(value);
const unfit = (value, path) => {
  const kind = typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
  return new Error(
    path.length === 0 ? `Unsupported data type: ${kind}` : `${place(path)}: ${kind} cannot be written as JSON`,
  );
};

function checked(words) {
  const data = Buffer.from(words);
  if (data.length <= MAX_BYTES) return data;
  throw new Refusal(CODE.TOO_LARGE, `the answer has ${data.length} bytes, at most ${MAX_BYTES} are taken`);
}
