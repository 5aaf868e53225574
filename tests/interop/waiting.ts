import { setTimeout as sleep } from "node:timers/promises";

/** Asks until the answer holds; fails with the last one. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  holds: (value: T) => boolean,
  withinMs = 60_000,
): Promise<T> {
  for (const end = Date.now() + withinMs; ; await sleep(100)) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`still not so after ${withinMs} ms: ${JSON.stringify(value)}`);
  }
}
