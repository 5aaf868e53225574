import { Difference, type Place } from "./difference.ts";

/** A parsed JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** `value` as an object with exactly these fields: what nobody looks at may not stand in evidence. Throws Difference. */
export function exactly(place: Place, field: string, value: unknown, names: readonly string[]): Fields {
  const object = anObject(place, field, value);
  const strange = Object.keys(object).find((name) => !names.includes(name));
  if (strange !== undefined) throw new Difference(place, join(field, strange), "no such field", object[strange]);
  const missing = names.find((name) => !Object.hasOwn(object, name));
  if (missing !== undefined) throw new Difference(place, join(field, missing), "a value", undefined);
  return object;
}

export function anObject(place: Place, field: string, value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Difference(place, field, "an object", value);
}

export function aList(place: Place, field: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Difference(place, field, "a list", value);
}

export function aText(place: Place, field: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new Difference(place, field, "a text", value);
}

/** A whole number from 0 that JavaScript holds exactly. */
export function aCount(place: Place, field: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Difference(place, field, "a whole number from 0", value);
}

/** Lower-case hex of 32 bytes. */
export function aHash(place: Place, field: string, value: unknown): string {
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value;
  throw new Difference(place, field, "a hash of 64 hex digits", value);
}

/** Epoch ms of an ISO text with milliseconds and Z, the one way to write it. */
export function aTime(place: Place, field: string, value: unknown): number {
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(ms) && new Date(ms).toISOString() === value) return ms;
  throw new Difference(place, field, "a time such as 2026-01-05T00:00:00.000Z", value);
}

/** Throws Difference where two simple values are not the same. */
export function same(place: Place, field: string, expected: unknown, found: unknown): void {
  if (expected !== found) throw new Difference(place, field, expected, found);
}

const join = (field: string, name: string): string => (field === "" ? name : `${field}.${name}`);
