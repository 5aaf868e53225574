import { extname, resolve } from "node:path";

/** Keeps the young generation small: a process of ours is mostly idle, and the default costs it 20 MB. */
export const SMALL_HEAP = "--max-semi-space-size=2";

/** Path of a program of ours, named without its ending: `.ts` in a clone, `.js` in the built package. */
export const programPath = (fromRoot: string): string =>
  resolve(import.meta.dirname, "..", fromRoot + extname(import.meta.filename));
