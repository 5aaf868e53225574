/** 2^42 ms from the epoch end in the year 2109. */
const DEPTH = 42;

/** Uniform 32 bits of three numbers; mixing steps of MurmurHash3 (public domain). */
function hash(a: number, b: number, c: number): number {
  let h = 0x9747b28c;
  for (const word of [a, b, c]) {
    let k = Math.imul(word, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Uniform in (0, 1). */
export const uniform = (seed: number, level: number, index: number, salt = 0): number =>
  (hash(seed ^ salt, (level << 16) ^ Math.floor(index / 2 ** 32), index | 0) + 0.5) / 2 ** 32;

/** Standard normal (Box and Muller 1958). */
const normal = (seed: number, level: number, index: number): number =>
  Math.sqrt(-2 * Math.log(uniform(seed, level, index))) *
  Math.cos(2 * Math.PI * uniform(seed, level, index, 0x5bd1e995));

/** A seed of 32 bits from a text (FNV-1a). */
export function seedOf(text: string): number {
  let h = 0x811c9dc5;
  for (const character of text) h = Math.imul(h ^ character.codePointAt(0)!, 0x01000193);
  return h >>> 0;
}

/**
 * A Brownian path over epoch milliseconds, W(0) = 0, variance 1 per ms: the same for a seed whenever and in whatever order it is
 * asked. Lévy's construction: the middle of an interval is the mean of its ends plus a normal of variance length/4 that is a
 * function of (seed, level, place); an instant is 42 halvings away. Neighbouring instants share most of them, which are kept.
 */
export function brownianPath(seed: number): (atMs: number) => number {
  const span = 2 ** DEPTH;
  const place = new Float64Array(DEPTH + 1).fill(-1);
  const left = new Float64Array(DEPTH + 1);
  const right = new Float64Array(DEPTH + 1);
  place[0] = 0;
  right[0] = Math.sqrt(span) * normal(seed, 0, 0);
  return (atMs) => {
    if (!Number.isInteger(atMs) || atMs < 0 || atMs >= span) throw new RangeError(`${atMs}: whole epoch ms up to 2109`);
    for (let level = 1; level <= DEPTH; level++) {
      const length = 2 ** (DEPTH - level);
      const index = Math.floor(atMs / length);
      if (place[level] === index) continue;
      place[level] = index;
      place[level + 1] = -1; // what is below belonged to another interval
      const parent = index >>> 0 === index ? index >>> 1 : Math.floor(index / 2);
      const middle = (left[level - 1]! + right[level - 1]!) / 2 + Math.sqrt(length / 2) * normal(seed, level, parent);
      left[level] = index % 2 === 0 ? left[level - 1]! : middle;
      right[level] = index % 2 === 0 ? middle : right[level - 1]!;
    }
    return left[DEPTH]!;
  };
}
