type Json = unknown;

/** Every way to change one place of a JSON value: each number, text, flag and null another one, each list and object one entry less. */
export function* flips(value: Json, path = ""): Generator<{ path: string; value: Json }> {
  if (typeof value === "object" && value !== null) {
    const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
    for (const key of keys) {
      const at = path === "" ? String(key) : `${path}.${key}`;
      for (const flip of flips((value as Record<string, Json>)[key], at))
        yield { path: flip.path, value: changed(value, key, flip.value) };
      yield { path: `${at} left out`, value: without(value, key) };
    }
    if (!Array.isArray(value)) yield { path: `${path} with a field more`, value: { ...value, extra: 0 } };
    else if (value.length > 0) yield { path: `${path} with an entry twice`, value: [...value, value.at(-1)] };
    return;
  }
  yield { path, value: other(value) };
}

const other = (value: Json): Json => {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value + 1 : value * (1 + 2 ** -50);
  if (typeof value === "boolean") return !value;
  if (value === null) return "x";
  const letters = [...(value as string)];
  return [...letters.slice(0, -1), letters.at(-1) === "0" ? "1" : "0"].join("");
};
const changed = (value: object, key: number | string, to: Json): Json =>
  Array.isArray(value) ? value.with(key as number, to) : { ...value, [key]: to };
const without = (value: object, key: number | string): Json =>
  Array.isArray(value)
    ? value.toSpliced(key as number, 1)
    : Object.fromEntries(Object.entries(value).filter(([k]) => k !== key));
