import type { CallRequest } from "../protocol/messages.ts";

/** A data call of a fan-out (one with a key), kept for models that missed it. */
export interface KeptTick {
  /** grows with every key; a lane remembers the number it has reached */
  readonly number: number;
  readonly key: string;
  readonly request: CallRequest;
  readonly bytes: () => Buffer;
}
/** The newest data calls of the fleet. A tick carries its whole window, so a few of them are a history. */
export interface TickHistory {
  /** Keeps it, unless the key is kept already. Gives its number. */
  add(tick: Omit<KeptTick, "number">): number;
  /** What came after this number, oldest first; of a longer absence only the newest. */
  since(number: number): readonly KeptTick[];
}

const KEPT = 8;
/** The number of a model that has seen nothing. */
export const NOTHING_SEEN = -1;

export function createTickHistory(kept = KEPT): TickHistory {
  let ticks: KeptTick[] = [];
  let next = 0;
  return {
    add(tick) {
      const known = ticks.find(({ key }) => key === tick.key);
      if (known) return known.number;
      ticks = [...ticks, { ...tick, number: next }].slice(-kept);
      return next++;
    },
    since: (number) => ticks.filter((tick) => tick.number > number),
  };
}
