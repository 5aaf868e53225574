/** How Python reads and adds numbers, where the public crunch-node's answers depend on it. */

const DIGITS = String.raw`\d+(?:_\d+)*`;
const FLOAT = new RegExp(`^[+-]?(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`);
const NAMED = /^([+-]?)(inf|infinity|nan)$/i;

/** float(x) of Python; undefined where it raises. Booleans count as 0 and 1. */
export function pythonFloat(x: unknown): number | undefined {
  if (typeof x === "number") return x;
  if (typeof x === "boolean") return x ? 1 : 0;
  if (typeof x !== "string") return undefined;
  const text = x.trim();
  if (FLOAT.test(text)) return Number(text.replaceAll("_", ""));
  const named = NAMED.exec(text);
  if (!named) return undefined;
  if (named[2]!.toLowerCase() === "nan") return Number.NaN;
  return named[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** isinstance(x, (int, float)), which a bool is, too. */
export const isPythonNumber = (x: unknown): x is number | boolean => typeof x === "number" || typeof x === "boolean";

/** sum() of Python 3.12 and later: compensated by Neumaier's method. */
export function pythonSum(values: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const x of values) {
    const next = sum + x;
    lost += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
    sum = next;
  }
  return Number.isFinite(lost) ? sum + lost : sum;
}

export const pythonMean = (values: readonly number[]): number => pythonSum(values) / values.length;

/** x ** 2, which raises OverflowError where a finite x has no finite square. */
export function pythonSquare(x: number): number {
  const square = x * x;
  if (Number.isFinite(x) && !Number.isFinite(square)) throw new RangeError("Numerical result out of range");
  return square;
}

/** round(x): halves to the even neighbour. */
export function pythonRound(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

/** More decimals than any double of a sensible size has. */
const EXACT_DECIMALS = 90;

/** round(x, decimals): the nearest decimal number, halves to the even digit, judged by the double's exact value. */
export function pythonRoundTo(x: number, decimals: number): number {
  const exact = Math.abs(x).toFixed(EXACT_DECIMALS);
  const cut = exact.indexOf(".") + 1 + decimals;
  const isHalf = /^50*$/.test(exact.slice(cut));
  const rounded = isHalf && Number(exact[cut - 1]) % 2 === 0 ? exact.slice(0, cut) : Math.abs(x).toFixed(decimals);
  return Math.sign(x) * Number(rounded);
}
