/** The newest records of one subject, ascending, unique by (ts, event id), never more than `size`. */
export interface WindowRecord {
  tsEvent: number;
  tsFinal: number;
  eventId: string;
  segment: string;
}

const after = (a: WindowRecord, b: WindowRecord): boolean =>
  a.tsEvent > b.tsEvent || (a.tsEvent === b.tsEvent && a.eventId > b.eventId);

export class RecordWindow<R extends WindowRecord> {
  readonly #size: number;
  #records: R[] = [];
  /** older records than the ones held may exist */
  #hasOlder = true;

  constructor(size: number) {
    this.#size = size;
  }

  /** Takes what is stored at a start; `isAll`: nothing older was ever stored. */
  load(records: readonly R[], isAll: boolean): void {
    this.#hasOlder = !isAll;
    this.add(records);
  }

  /** Takes records in any order; one that is already there is left as it was. */
  add(records: readonly R[]): void {
    for (const record of records) {
      let at = this.#records.length;
      while (at > 0 && !after(record, this.#records[at - 1]!)) at--;
      const same = this.#records[at];
      if (same && same.tsEvent === record.tsEvent && same.eventId === record.eventId) continue;
      this.#records.splice(at, 0, record);
    }
    const extra = this.#records.length - 2 * this.#size; // twice the size is kept: an input as of an earlier instant needs older ones
    if (extra <= 0) return;
    this.#records.splice(0, extra);
    this.#hasOlder = true;
  }

  /** The newest `size` records that were final at `asOfMs`, of the newest segment only. */
  asOf(asOfMs: number): R[] {
    return newestSegment(this.#final(asOfMs)).slice(-this.#size);
  }

  /** True where `asOf` is all there is to see at that instant, and not only what memory still holds of it. */
  reaches(asOfMs: number): boolean {
    const final = this.#final(asOfMs);
    return !this.#hasOlder || final.length >= this.#size || newestSegment(final).length < final.length;
  }

  #final(asOfMs: number): R[] {
    return this.#records.filter((r) => r.tsFinal <= asOfMs);
  }
}

/** Drops what lies before the last break of the series (a replay's seam): prices on both sides do not follow each other. */
export function newestSegment<R extends { segment: string }>(records: readonly R[]): R[] {
  const last = records.at(-1);
  if (!last) return [];
  return records.slice(records.findLastIndex((r) => r.segment !== last.segment) + 1);
}
