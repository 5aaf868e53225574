import type { Logger } from "pino";
import { writeJson } from "../protocol/json-write.ts";
import type { CallableProcess, CallOutcome } from "./callable-process.ts";

/** One frame holds at most so many calls, so that its answers do not pile up. */
const CHUNK_CALLS = 1_000;
const CHUNK_CHARS = 1 << 20;
/** Time lost to calls that hang is forgotten at a quarter of the clock; who is owed more than three whole limits waits a short one only. */
const FORGOTTEN_SHARE = 0.25;
const MOST_LIMITS_OWED = 3;
const SHORT_SHARE = 0.125;
const SHORTEST_MS = 200;
/** So many in a row, over all batches: what is left of this batch is not asked, and the next one gets two short tries to show that it is well again. */
const MOST_IN_A_ROW = 6;
const PROBES = 2;
const NOT_ASKED = "not asked: every call before it ended the process";
const IDLE_MS = 60_000;

export interface PythonCallable {
  /** how many arguments it takes by position; null: any number */
  readonly takes: number | null;
  /**
   * One outcome per list of arguments, in order, out of one kept process. A call that hangs or ends the process costs only itself: the
   * next goes to a new one. Rejects where no process can be had, or when the signal is aborted.
   */
  call(calls: readonly (readonly unknown[])[], signal?: AbortSignal): Promise<CallOutcome[]>;
  close(): Promise<void>;
}

/** Keeps `first`'s process, replaces it when it is over and lets it go when nobody asks for a minute. */
export function keepCallable(
  first: CallableProcess,
  options: { start: () => Promise<CallableProcess>; limitMs: number; logger: Logger },
): PythonCallable {
  const { limitMs, logger } = options;
  let held: CallableProcess | undefined = first;
  let idle: NodeJS.Timeout | undefined;
  let before: Promise<unknown> = Promise.resolve();
  let inARow = 0;
  let closed = false;
  const patience = createPatience(limitMs);

  const release = async (): Promise<void> => {
    clearTimeout(idle);
    const own = held;
    held = undefined;
    await own?.end();
  };
  const rest = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => void release(), IDLE_MS).unref();
  };
  const running = async (): Promise<CallableProcess> => {
    if (closed) throw new Error("the node stops: no callable is asked any more");
    if (held?.isOver()) await release();
    held ??= await options.start();
    return held;
  };

  async function perform(calls: readonly (readonly unknown[])[], signal?: AbortSignal): Promise<CallOutcome[]> {
    clearTimeout(idle);
    const { outcomes, open } = prepared(calls);
    const most = Math.max(MOST_IN_A_ROW, inARow + PROBES);
    for (let at = 0; at < open.length; ) {
      signal?.throwIfAborted();
      const chunk = open.slice(at, at + chunkLength(open, at));
      const own = await running();
      const run = await ask(own, chunk, patience.limitMs(), signal);
      for (const [i, outcome] of run.outcomes.entries()) outcomes[chunk[i]!.index] = outcome;
      at += run.outcomes.length;
      if (run.outcomes.length > 0) inARow = 0;
      if (run.ended === undefined) continue;
      logger.warn({ why: run.ended, printed: own.printed() }, "the process of a Python callable is over");
      if (run.hung) patience.lost();
      outcomes[open[at]!.index] = { error: `its process ${run.ended}`, ...(run.hung ? { final: true } : {}) };
      at += 1;
      inARow += 1;
      if (inARow >= most) {
        for (const { index } of open.slice(at)) outcomes[index] = { error: NOT_ASKED };
        break;
      }
    }
    rest();
    return outcomes;
  }

  rest();
  return {
    takes: first.takes,
    call: (calls, signal) => {
      const mine = before.then(() => perform(calls, signal));
      before = mine.catch(() => undefined);
      return mine;
    },
    close: () => {
      closed = true;
      return release();
    },
  };
}

/** A full limit for who hangs now and then; a short one while hanging costs more of the time than may be: one author must not hold up all scores. */
function createPatience(fullMs: number) {
  let [owedMs, since] = [0, performance.now()];
  const owed = (): number => {
    const now = performance.now();
    owedMs = Math.max(0, owedMs - FORGOTTEN_SHARE * (now - since));
    since = now;
    return owedMs;
  };
  const limitMs = (): number =>
    owed() < (MOST_LIMITS_OWED - 0.5) * fullMs ? fullMs : Math.min(fullMs, Math.max(SHORTEST_MS, fullMs * SHORT_SHARE));
  return {
    limitMs,
    lost(): void {
      owedMs = owed() + limitMs();
    },
  };
}

interface OpenCall {
  index: number;
  json: string;
}

/** The calls as JSON in which every number is the one that was given; what cannot be written has its outcome already. */
function prepared(calls: readonly (readonly unknown[])[]): { outcomes: CallOutcome[]; open: OpenCall[] } {
  const open: OpenCall[] = [];
  const outcomes = calls.map((args, index): CallOutcome => {
    try {
      open.push({ index, json: `[${args.map(writeJson).join(", ")}]` });
      return { error: NOT_ASKED };
    } catch (error) {
      return { error: `its arguments cannot be written as JSON: ${(error as Error).message}` };
    }
  });
  return { outcomes, open };
}

/** One run, ended with its process when the signal comes. */
async function ask(own: CallableProcess, chunk: readonly OpenCall[], limitMs: number, signal?: AbortSignal) {
  const abort = (): void => void own.end();
  signal?.addEventListener("abort", abort, { once: true });
  const run = await own.run(
    chunk.map(({ json }) => json),
    limitMs,
  );
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
  return run;
}

/** As many of those from `at` as fit into a frame, at least one. */
function chunkLength(open: readonly OpenCall[], at: number): number {
  let [count, chars] = [0, 0];
  while (count < CHUNK_CALLS && at + count < open.length) {
    chars += open[at + count]!.json.length;
    if (count > 0 && chars > CHUNK_CHARS) break;
    count += 1;
  }
  return count;
}
