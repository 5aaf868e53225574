export class CanonicalError extends Error {
  override name = "CanonicalError";
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
  }
}

/** Text of `value` by RFC 8785 (JSON canonicalization scheme). Throws CanonicalError with the path of what JSON cannot say. */
export const canonicalText = (value: unknown): string => write(value, "$");

/** UTF-8 bytes of the canonical text: what is hashed and signed. */
export const canonicalBytes = (value: unknown): Uint8Array => new TextEncoder().encode(canonicalText(value));

function write(value: unknown, path: string): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return number(value, path);
  if (typeof value === "string") return text(value, path);
  if (Array.isArray(value)) return `[${Array.from(value, (item, i) => write(item, `${path}[${i}]`)).join(",")}]`;
  if (typeof value === "object" && isPlain(value)) return object(value, path);
  throw new CanonicalError(path, `${kind(value)} has no canonical form; use JSON values (big integers as text)`);
}

/** ECMAScript's number text is the RFC's; -0 becomes 0. */
function number(value: number, path: string): string {
  if (!Number.isFinite(value)) throw new CanonicalError(path, `${value} is not representable in JSON`);
  return JSON.stringify(value);
}

function text(value: string, path: string): string {
  if (!value.isWellFormed()) throw new CanonicalError(path, "text holds half a surrogate pair");
  return JSON.stringify(value);
}

/** Keys in order of their UTF-16 code units, which is what JavaScript's sort compares. */
function object(value: object, path: string): string {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${text(key, path)}:${write(item, `${path}.${key}`)}`).join(",")}}`;
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
};

const kind = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;
