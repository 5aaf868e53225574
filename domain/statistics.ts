/** Plain sums over typed arrays; every function is total: an empty input gives 0. */
export type Series = ArrayLike<number>;

export function mean(x: Series): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]!;
  return x.length > 0 ? sum / x.length : 0;
}

/** Ranks from 1; equal values share the average of their places. */
function averageRanks(x: Series): Float64Array {
  const order = Array.from({ length: x.length }, (_, i) => i).sort((a, b) => x[a]! - x[b]!);
  const ranks = new Float64Array(x.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && x[order[end + 1]!] === x[order[start]!]) end++;
    for (let i = start; i <= end; i++) ranks[order[i]!] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return ranks;
}

const FLAT = 1e-12;

/** Pearson correlation; 0 with fewer than two values or where either side is constant. */
function pearson(x: Series, y: Series): number {
  const n = Math.min(x.length, y.length);
  if (n < 2) return 0;
  const mx = mean(x);
  const my = mean(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < n; i++) {
    const dx = x[i]! - mx;
    const dy = y[i]! - my;
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return Math.sqrt(xx / n) < FLAT || Math.sqrt(yy / n) < FLAT ? 0 : xy / Math.sqrt(xx * yy);
}

export const spearman = (x: Series, y: Series): number => pearson(averageRanks(x), averageRanks(y));
