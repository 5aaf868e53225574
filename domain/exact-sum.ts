/**
 * A sum of doubles without rounding until it is asked for: the same to the last bit whatever the order, and what is added and taken out again
 * leaves nothing behind. Non-overlapping partial sums, after J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic (1997); the last rounding,
 * half to even, as Python's math.fsum does it. NaN once a partial sum is beyond what a double can hold.
 */
export class ExactSum {
  /** growing in magnitude, none overlapping the next */
  #partials: number[] = [];

  add(value: number): void {
    let high = value;
    let kept = 0;
    for (const partial of this.#partials) {
      const [large, small] = Math.abs(high) < Math.abs(partial) ? [partial, high] : [high, partial];
      high = large + small;
      const low = small - (high - large);
      if (low !== 0) this.#partials[kept++] = low;
    }
    this.#partials.length = kept;
    this.#partials.push(high);
    if (!Number.isFinite(high)) this.#partials = [Number.NaN];
  }

  /** Correctly rounded; 0 of nothing, and never −0, which the order would decide. */
  value(): number {
    const rest = [...this.#partials];
    let sum = rest.pop() ?? 0;
    let low = 0;
    while (low === 0 && rest.length > 0) {
      const before = sum;
      const next = rest.pop()!;
      sum = before + next;
      low = next - (sum - before);
    }
    return (low === 0 ? sum : halfToEven(sum, low, rest.at(-1) ?? 0)) + 0;
  }
}

/** `low` may be exactly half a unit of `sum`'s last place, and was rounded without looking at what lies below it. */
function halfToEven(sum: number, low: number, below: number): number {
  if (low < 0 !== below < 0 || below === 0) return sum;
  const other = sum + low * 2;
  return other - sum === low * 2 ? other : sum;
}
