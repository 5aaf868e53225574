/** A price at an instant; times in any unit, the same everywhere. */
export interface Price {
  time: number;
  price: number;
}
export interface Steps {
  /** length of a step, in the unit of the times */
  step: number;
  count: number;
  /** where the last step ends */
  end: number;
}

/** The price nearest to the instant; of two as near, the earlier. Prices ascend in time. */
export function nearestPrice(prices: readonly Price[], instant: number): Price | undefined {
  let low = 0;
  let high = prices.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (prices[middle]!.time < instant) low = middle + 1;
    else high = middle;
  }
  const after = prices[low];
  const before = prices[low - 1];
  if (!before || !after) return after ?? before;
  return instant - before.time <= after.time - instant ? before : after;
}

/** Prices at both ends of each step, first step first; null where both ends fall on the same tick, or there is no price. */
export function stepChanges(
  prices: readonly Price[],
  { step, count, end }: Steps,
): ({ from: number; to: number } | null)[] {
  return Array.from({ length: count }, (_, k) => {
    const instant = end - step * (count - 1 - k);
    const to = nearestPrice(prices, instant);
    const from = nearestPrice(prices, instant - step);
    return from && to && from.time !== to.time ? { from: from.price, to: to.price } : null;
  });
}
