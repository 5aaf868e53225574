/** Where two JSON values part: the path of the field, and what either side has there (absent: undefined). */
export interface Difference {
  field: string;
  stored: unknown;
  recomputed: unknown;
}

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;

/** The first difference in the order of names and places; null: the values are the same, to the last bit of their numbers. */
export function firstDifference(stored: unknown, recomputed: unknown, field = ""): Difference | null {
  if (!isObject(stored) || !isObject(recomputed) || Array.isArray(stored) !== Array.isArray(recomputed))
    return stored === recomputed ? null : { field, stored, recomputed };
  if (Array.isArray(stored) && stored.length !== (recomputed as Fields).length)
    return { field: join(field, "length"), stored: stored.length, recomputed: (recomputed as Fields).length };
  for (const name of namesOf(stored, recomputed)) {
    const found = firstDifference(stored[name], recomputed[name], join(field, name));
    if (found) return found;
  }
  return null;
}

/** A list's places stand in their order, names in that of the alphabet. */
const namesOf = (a: Fields, b: Fields): string[] =>
  Array.isArray(a) ? Object.keys(a) : [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();

const join = (field: string, name: string): string => (field === "" ? name : `${field}.${name}`);
