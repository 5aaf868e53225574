/** Times in microseconds, kept in a fixed number of buckets: memory does not grow, a quantile is off by at most 5 %. */
export interface LatencyHistogram {
  add(us: number): void;
  /** null: nothing was added */
  summary(): LatencySummary | null;
}
/** Microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const FIRST_US = 10;
const GROWTH = 1.1;
const LOG_GROWTH = Math.log(GROWTH);
/** The last bucket begins above ten minutes. */
const BUCKETS = Math.ceil(Math.log(600_000_000 / FIRST_US) / LOG_GROWTH) + 2;

const bucketOf = (us: number): number =>
  us < FIRST_US ? 0 : Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(us / FIRST_US) / LOG_GROWTH));
const middleOf = (bucket: number): number => (bucket === 0 ? FIRST_US / 2 : FIRST_US * GROWTH ** (bucket - 0.5));

export function createLatencyHistogram(): LatencyHistogram {
  const counts = new Uint32Array(BUCKETS);
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = 0;

  /** The smallest value that at least this share is not above. */
  function quantile(share: number): number {
    let left = Math.ceil(share * count);
    for (const [bucket, n] of counts.entries()) {
      left -= n;
      if (left <= 0) return Math.min(Math.max(middleOf(bucket), min), max);
    }
    return max;
  }

  return {
    add(us) {
      const time = Math.max(0, us);
      counts[bucketOf(time)]!++;
      count++;
      min = Math.min(min, time);
      max = Math.max(max, time);
    },
    summary: () => (count === 0 ? null : { count, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), max }),
  };
}
