/** Frames of one connection, in order, waited for. */
export interface FrameQueue {
  push(frame: string): void;
  /** the connection is over; frames that came before are still read */
  end(reason?: Error): void;
  /**
   * All frames that are there; none when nothing came within `withinMs`; null when the connection is over and everything was read.
   * Throws the reason of a connection that broke.
   */
  take(withinMs?: number): Promise<string[] | null>;
}

/** So many unread frames, and the sender is asked to wait. */
const FULL = 5_000;

/** `onFull(true)` asks the sender to pause, `onFull(false)` to go on: storage that is away must not fill the memory. */
export function frameQueue(onFull: (full: boolean) => void): FrameQueue {
  let frames: string[] = [];
  let over: { reason: Error | undefined } | undefined;
  let full = false;
  let wake: (() => void) | undefined;
  const stir = (): void => {
    wake?.();
    wake = undefined;
  };
  const stirred = (withinMs: number | undefined): Promise<void> =>
    new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(stir, withinMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  return {
    push: (frame) => {
      frames.push(frame);
      if (!full && frames.length >= FULL) {
        full = true;
        onFull(true);
      }
      stir();
    },
    end: (reason) => {
      over ??= { reason };
      stir();
    },
    take: async (withinMs) => {
      if (frames.length === 0 && !over) await stirred(withinMs);
      if (frames.length === 0 && over) {
        if (over.reason) throw over.reason;
        return null;
      }
      const taken = frames;
      frames = [];
      if (full) {
        full = false;
        onFull(false);
      }
      return taken;
    },
  };
}
