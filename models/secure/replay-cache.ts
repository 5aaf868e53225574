/** Remembers tokens until they are too old to be used again. */
export interface ReplayCache {
  /**
   * Whether a token is new, or comes again from the owner that it came from first; then it is remembered until
   * `untilMs`. Without an owner a token is good once. When the memory is full, nothing is new.
   */
  take(id: string, untilMs: number, nowMs: number, owner?: string): boolean;
  readonly size: number;
}

const STANDARD_ENTRIES = 100_000;
/** Entries looked at per new token, so that forgetting never takes long at once. */
const SWEEP = 16;

export function createReplayCache(maxEntries: number = STANDARD_ENTRIES): ReplayCache {
  // In order of arrival, which is nearly the order of their ends.
  const seen = new Map<string, { untilMs: number; owner: string | undefined }>();

  function forget(nowMs: number, atMost: number): void {
    let looked = 0;
    for (const [id, { untilMs }] of seen) {
      if (looked++ >= atMost) return;
      if (untilMs < nowMs) seen.delete(id);
    }
  }

  return {
    take(id, untilMs, nowMs, owner) {
      const before = seen.get(id);
      if (before && before.untilMs >= nowMs) return owner !== undefined && before.owner === owner;
      seen.delete(id);
      forget(nowMs, SWEEP);
      if (seen.size >= maxEntries) forget(nowMs, seen.size);
      if (seen.size >= maxEntries) return false;
      seen.set(id, { untilMs, owner });
      return true;
    },
    get size() {
      return seen.size;
    },
  };
}
