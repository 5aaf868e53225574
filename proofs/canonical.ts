export class CanonicalError extends Error {
  override name = "CanonicalError";
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
  }
}

/** Text of `value` by RFC 8785 (JSON canonicalization scheme). Throws CanonicalError with the path of what JSON cannot say. */
export function canonicalText(value: unknown): string {
  const unsayable: Unsayable = { problem: null, path: [] };
  const written = write(value, unsayable);
  if (written !== null) return written;
  throw new CanonicalError(`$${unsayable.path.reverse().join("")}`, unsayable.problem!);
}

/** UTF-8 bytes of the canonical text: what is hashed and signed. */
export const canonicalBytes = (value: unknown): Uint8Array => UTF8.encode(canonicalText(value));
const UTF8 = new TextEncoder();

/** What cannot be said, and where, from the inside out: a path is only put together once something is wrong, for hundred thousands of records a minute. */
interface Unsayable {
  problem: string | null;
  path: string[];
}

/** Null where there is no text; `unsayable` then says why. */
function write(value: unknown, unsayable: Unsayable): string | null {
  if (typeof value === "string") return text(value, unsayable);
  if (typeof value === "number") return number(value, unsayable);
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return list(value, unsayable);
  if (typeof value === "object" && isPlain(value)) return object(value as Record<string, unknown>, unsayable);
  return refuse(unsayable, `${kind(value)} has no canonical form; use JSON values (big integers as text)`);
}

function refuse(unsayable: Unsayable, problem: string): null {
  unsayable.problem = problem;
  return null;
}

/** ECMAScript's number text is the RFC's; -0 becomes 0. */
const number = (value: number, unsayable: Unsayable): string | null =>
  Number.isFinite(value) ? `${value}` : refuse(unsayable, `${value} is not representable in JSON`);

/** Most texts are plain ASCII, which stands for itself. */
const text = (value: string, unsayable: Unsayable): string | null => {
  if (PLAIN.test(value)) return `"${value}"`;
  return value.isWellFormed() ? JSON.stringify(value) : refuse(unsayable, "text holds half a surrogate pair");
};
const PLAIN = /^[ !#-[\]-~]*$/;

function list(values: readonly unknown[], unsayable: Unsayable): string | null {
  let written = "[";
  for (let i = 0; i < values.length; i++) {
    const item = write(values[i], unsayable);
    if (item === null) return at(unsayable, `[${i}]`);
    written += i === 0 ? item : `,${item}`;
  }
  return `${written}]`;
}

/** Keys in order of their UTF-16 code units, which is what JavaScript's sort compares. */
function object(value: Readonly<Record<string, unknown>>, unsayable: Unsayable): string | null {
  let written = "{";
  for (const key of sorted(Object.keys(value))) {
    const name = text(key, unsayable);
    const item = name === null ? null : write(value[key], unsayable);
    if (item === null) return at(unsayable, `.${key}`);
    written += written === "{" ? `${name}:${item}` : `,${name}:${item}`;
  }
  return `${written}}`;
}

/** Most records are written in order already. */
function sorted(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.sort();
  return keys;
}

function at(unsayable: Unsayable, place: string): null {
  unsayable.path.push(place);
  return null;
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
};

const kind = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
