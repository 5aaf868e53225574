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

  constructor(size: number) {
    this.#size = size;
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
    if (extra > 0) this.#records.splice(0, extra);
  }

  /** The newest `size` records that were final at `asOfMs`, of the newest segment only. */
  asOf(asOfMs: number): R[] {
    return newestSegment(this.#records.filter((r) => r.tsFinal <= asOfMs)).slice(-this.#size);
  }
}

/** Drops what lies before the last break of the series (a replay's seam): prices on both sides do not follow each other. */
export function newestSegment<R extends { segment: string }>(records: readonly R[]): R[] {
  const last = records.at(-1);
  if (!last) return [];
  return records.slice(records.findLastIndex((r) => r.segment !== last.segment) + 1);
}
