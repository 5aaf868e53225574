import { setImmediate as breathe } from "node:timers/promises";
import { createContext, Script } from "node:vm";
import type { Competition, Scope, ScoreResult } from "./competition.ts";

/** One prediction with the truth of its round. */
export interface ScoreItem {
  predictionId: string;
  modelId: string;
  output: unknown;
  truth: unknown;
  scope: Scope;
}

/** `final`: asking again is of no use (it hung). Results are checked by whoever asked: a scorer may answer anything. */
export type Outcome = { result: ScoreResult } | { error: string; final?: boolean };

/** What gives scores, in batches: the contract's own function in this process, or a Python callable in another. */
export interface Scorer {
  /** versions the score rows */
  readonly hash: string;
  /** One outcome per item, in the order of the items; rejects only where nothing can be said of any of them. */
  scoreBatch(items: readonly ScoreItem[], signal?: AbortSignal): Promise<Outcome[]>;
}

/** One prediction may take this long; then it is interrupted. */
const LIMIT_MS = 1_000;
/** After so many that hung, the limit is a tenth, and so on: whoever hangs costs the others little, and nobody is left unasked. */
const PATIENT_HANGS = 3;
const LEAST_LIMIT_MS = 5;
/** Between slices of this length the process does its other work. */
const SLICE_MS = 20;

/**
 * The contract's own `score` in this process. V8's watchdog interrupts a call that does not end, so that a scorer that hangs costs its
 * one prediction, and the event loop no more than the limit.
 */
export function contractScorer(score: Competition["score"], hash: string, limitMs = LIMIT_MS): Scorer {
  const room = createContext({ run: (): void => undefined });
  const script = new Script("run()", { filename: "score" });

  const runLimited = (run: () => void, hangs: number): void => {
    room.run = run;
    const limit = Math.max(LEAST_LIMIT_MS, limitMs * 0.1 ** Math.floor(hangs / PATIENT_HANGS));
    script.runInContext(room, { timeout: SLICE_MS + Math.ceil(limit) });
  };

  /** Appends outcomes until the slice is over; true: the next item hung. */
  const slice = (items: readonly ScoreItem[], outcomes: Outcome[], hangs: number): boolean => {
    const end = performance.now() + SLICE_MS;
    try {
      runLimited(() => {
        do outcomes.push(ask(score, items[outcomes.length]!));
        while (outcomes.length < items.length && performance.now() < end);
      }, hangs);
      return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      return true;
    }
  };

  return {
    hash,
    async scoreBatch(items, signal) {
      const outcomes: Outcome[] = [];
      let hangs = 0;
      while (outcomes.length < items.length) {
        signal?.throwIfAborted();
        if (slice(items, outcomes, hangs)) {
          outcomes.push({ error: "the scorer did not end in time and was interrupted", final: true });
          hangs++;
        }
        if (outcomes.length < items.length) await breathe();
      }
      return outcomes;
    },
  };
}

function ask(score: Competition["score"], { output, truth }: ScoreItem): Outcome {
  try {
    return { result: score(output, truth) };
  } catch (error) {
    return { error: String(error) };
  }
}
