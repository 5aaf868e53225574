/** Runs of equal keys up to this length are put in order by insertion. */
const SHORT = 32;
const DIGIT_BITS = 11;
const DIGIT_MASK = (1 << DIGIT_BITS) - 1;
const SIGN_BIT = 0x8000_0000;

/**
 * Ranks many series of finite numbers without allocating: buffers are kept for `capacity` values.
 * Ranks are centred and doubled: 2 · (average rank) − (n + 1). They are whole numbers that add up to 0, and so are all sums of their products
 * (exact up to 2^53, that is for about 200,000 values): correlations of ranks depend on no order of summation.
 */
export class Ranker {
  readonly #keys: [Uint32Array, Uint32Array];
  readonly #order: [Uint32Array, Uint32Array];
  readonly #counts = [0, 1, 2].map(() => new Uint32Array(1 << DIGIT_BITS)) as [Uint32Array, Uint32Array, Uint32Array];
  readonly #double = new Float64Array(1);
  readonly #words = new Uint32Array(this.#double.buffer);

  constructor(capacity: number) {
    this.#keys = [new Uint32Array(capacity), new Uint32Array(capacity)];
    this.#order = [new Uint32Array(capacity), new Uint32Array(capacity)];
  }

  /** Writes the centred doubled ranks of x[0..n) to out[0..n) and returns the sum of their squares; 0: the series is constant. */
  rank(x: Float64Array, n: number, out: Float64Array): number {
    return ranksInOrder(this.order(x, n), x, n, out);
  }

  /** Places 0..n-1 in ascending order of their values. The array is reused by the next call. */
  order(x: Float64Array, n: number): Uint32Array {
    if (n <= SHORT) {
      const order = this.#order[0];
      for (let i = 0; i < n; i++) order[i] = i;
      insertionSort(order, x, 0, n);
      return order;
    }
    return this.#byUpperWord(x, n);
  }

  /** Radix sort (least significant digit first) by the upper 32 bits; what those leave equal is compared. */
  #byUpperWord(x: Float64Array, n: number): Uint32Array {
    const [keys, otherKeys] = this.#keys;
    const [order, otherOrder] = this.#order;
    const [first, second, third] = this.#counts;
    this.#count(x, n);
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      const at = first[key & DIGIT_MASK]!++;
      otherKeys[at] = key;
      otherOrder[at] = i;
    }
    for (let i = 0; i < n; i++) {
      const key = otherKeys[i]!;
      const at = second[(key >>> DIGIT_BITS) & DIGIT_MASK]!++;
      keys[at] = key;
      order[at] = otherOrder[i]!;
    }
    for (let i = 0; i < n; i++) {
      const key = keys[i]!;
      const at = third[key >>> (2 * DIGIT_BITS)]!++;
      otherKeys[at] = key;
      otherOrder[at] = order[i]!;
    }
    orderWithinRuns(otherKeys, otherOrder, x, n);
    return otherOrder;
  }

  /** Fills the keys, and for each digit the first place of each of its values. Keys order as the doubles do: negative ones inverted, the others above them; −0 is 0. */
  #count(x: Float64Array, n: number): void {
    const [first, second, third] = this.#counts;
    for (const counts of this.#counts) counts.fill(0);
    const keys = this.#keys[0];
    const double = this.#double;
    const words = this.#words;
    for (let i = 0; i < n; i++) {
      double[0] = x[i]! + 0;
      const upper = words[1]!;
      const key = (upper >= SIGN_BIT ? ~upper : upper | SIGN_BIT) >>> 0;
      keys[i] = key;
      first[key & DIGIT_MASK]!++;
      second[(key >>> DIGIT_BITS) & DIGIT_MASK]!++;
      third[key >>> (2 * DIGIT_BITS)]!++;
    }
    for (const counts of this.#counts) countsToStarts(counts);
  }
}

function countsToStarts(counts: Uint32Array): void {
  let start = 0;
  for (let b = 0; b < counts.length; b++) {
    const count = counts[b]!;
    counts[b] = start;
    start += count;
  }
}

function orderWithinRuns(keys: Uint32Array, order: Uint32Array, x: Float64Array, n: number): void {
  for (let start = 0; start < n; ) {
    const key = keys[start]!;
    let end = start + 1;
    let sorted = true;
    for (; end < n && keys[end] === key; end++) if (x[order[end - 1]!]! > x[order[end]!]!) sorted = false;
    if (!sorted && end - start <= SHORT) insertionSort(order, x, start, end);
    else if (!sorted) order.subarray(start, end).sort((a, b) => x[a]! - x[b]! || a - b);
    start = end;
  }
}

function insertionSort(order: Uint32Array, x: Float64Array, start: number, end: number): void {
  for (let i = start + 1; i < end; i++) {
    const place = order[i]!;
    const value = x[place]!;
    let at = i;
    for (; at > start && x[order[at - 1]!]! > value; at--) order[at] = order[at - 1]!;
    order[at] = place;
  }
}

/** Centred doubled ranks of x from its ascending order; ties share the average of their places. Returns the sum of squares. */
function ranksInOrder(order: Uint32Array, x: Float64Array, n: number, out: Float64Array): number {
  let squares = 0;
  for (let start = 0; start < n; ) {
    const value = x[order[start]!]!;
    let end = start + 1;
    while (end < n && x[order[end]!] === value) end++;
    const centred = start + end - n; // 2 · ((start + end − 1) / 2 + 1) − (n + 1)
    for (let i = start; i < end; i++) out[order[i]!] = centred;
    squares += centred * centred * (end - start);
    start = end;
  }
  return squares;
}

type Ranks = Float64Array | Int32Array;

/** Pearson correlation of centred ranks whose sums of squares are known; 0 where either side is constant. */
export function rankCorrelation(a: Ranks, aSquares: number, b: Ranks, bSquares: number, n: number): number {
  if (aSquares === 0 || bSquares === 0) return 0;
  let products = 0;
  for (let i = 0; i < n; i++) products += a[i]! * b[i]!;
  return products / Math.sqrt(aSquares * bSquares);
}
