import { extname, resolve } from "node:path";

/** Path of a program of ours, named without its ending: `.ts` in a clone, `.js` in the built package. */
export const programPath = (fromRoot: string): string =>
  resolve(import.meta.dirname, "..", fromRoot + extname(import.meta.filename));

/** Keeps the young generation small: a process of ours is mostly idle, and the default costs it 20 MB. */
const SMALL_HEAP = "--max-semi-space-size=2";
/** launch.mjs gives the way to the bundled programs to this process; it passes it on. */
const preload = process.execArgv.indexOf("--import");

/** Flags for Node where it runs a program of ours. */
export const NODE_FLAGS: readonly string[] = [
  SMALL_HEAP,
  ...(preload < 0 ? [] : process.execArgv.slice(preload, preload + 2)),
];
/** The same for what is not in the way from a record to its predictions: 5 to 20 MB less, up to half more CPU under load. */
export const FRUGAL_FLAGS: readonly string[] = [...NODE_FLAGS, "--optimize-for-size", "--no-sparkplug"];
