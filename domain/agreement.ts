/** What one source says of the two prices of a return. */
export interface Quote {
  source: string;
  entry: number;
  exit: number;
}
export type Agreement = { entry: number; exit: number; outliers: string[] } | { disagreement: string };

/**
 * The median of several sources. A source that is further than `maxDeviation` (a share of the median) from it at either instant is an
 * outlier and left out of both; what remains must be more than half of the `asked` sources, or nothing is believed.
 */
export function agreedReturn(quotes: readonly Quote[], asked: number, maxDeviation: number): Agreement {
  const middle = { entry: median(quotes.map((q) => q.entry)), exit: median(quotes.map((q) => q.exit)) };
  const near = (q: Quote): boolean =>
    Math.abs(q.entry / middle.entry - 1) <= maxDeviation && Math.abs(q.exit / middle.exit - 1) <= maxDeviation;
  const agreeing = quotes.filter(near);
  if (agreeing.length * 2 <= asked) return { disagreement: quotes.map(textOf).join("; ") };
  return {
    entry: median(agreeing.map((q) => q.entry)),
    exit: median(agreeing.map((q) => q.exit)),
    outliers: quotes.filter((q) => !near(q)).map((q) => q.source),
  };
}

const textOf = ({ source, entry, exit }: Quote): string => `${source} ${entry} and ${exit}`;

/** The mean of the two in the middle where their number is even; NaN of nothing. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
