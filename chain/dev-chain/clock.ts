import { createHash } from "node:crypto";
import type { ChainState } from "./store.ts";
import { base58 } from "./transaction.ts";

/** A blockhash is good for so many blocks. */
export const HASH_WINDOW = 150;

export interface SlotClock {
  /** current slot, which is the block height too: no slot is skipped */
  slot(): number;
  /** hash of the block at `slot`; follows from genesis, slot and forks, so that a restart knows every hash it has given out */
  hashAt(slot: number): string;
  /** the slot that `hash` belongs to, when still inside the window */
  slotOf(hash: string): number | null;
  /** time passes: only for chains without a clock of their own (slotMs 0) or tests */
  skip(slots: number): void;
}

/** `slotMs` 0: slots pass by `skip` alone. */
export function createClock(state: ChainState, slotMs: number): SlotClock {
  const passed = () => (slotMs > 0 ? Math.max(0, Math.floor((Date.now() - state.timeMs) / slotMs)) : 0);
  const slot = () => state.slot + passed();
  const hashAt = (of: number): string => {
    const salt = state.forks.findLast((fork) => fork.slot <= of)?.salt ?? "";
    return base58(new Uint8Array(createHash("sha256").update(`${state.genesis}/${of}/${salt}`).digest()));
  };
  return {
    slot,
    hashAt,
    slotOf(hash) {
      for (let at = slot(); at >= Math.max(0, slot() - HASH_WINDOW); at--) if (hashAt(at) === hash) return at;
      return null;
    },
    skip(slots) {
      const { slot: reached, timeMs } = { slot: slot() + slots, timeMs: state.timeMs + passed() * slotMs };
      Object.assign(state, { slot: reached, timeMs });
    },
  };
}
