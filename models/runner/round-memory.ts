import { CODE } from "../protocol/answer-code.ts";
import type { Answer } from "./frames.ts";
import type { AnswerSink } from "./model-host.ts";

const MAX_ROUNDS = 64;
const MAX_BYTES = 16 << 20;

interface Remembered {
  /** by call */
  readonly answers: (Answer | undefined)[];
  readonly listeners: Set<AnswerSink>;
}

/**
 * What models answered in the latest rounds. A coordinator that was killed while it collected asks again under the same round id: it gets the
 * answers of the first time, and no model is called twice.
 */
export interface RoundMemory {
  /**
   * The sink to give to the model, or undefined: it was called in this round already, and `sink` gets those answers as they are and come.
   */
  join(roundId: string, deployment: string, calls: number, sink: AnswerSink): AnswerSink | undefined;
}

/** Findings that say nothing about an answer of the model: the next try may have more luck. */
const FORGOTTEN: ReadonlySet<number> = new Set([CODE.NOT_READY, CODE.BUSY, CODE.NO_MODEL, CODE.NOT_SET_UP]);

export function createRoundMemory(): RoundMemory {
  const rounds = new Map<string, Map<string, Remembered>>();
  let bytes = 0;

  const release = (remembered: Remembered | undefined) => {
    for (const answer of remembered?.answers ?? []) bytes -= answer?.value.length ?? 0;
  };

  function forgetOldest(): void {
    const [oldest] = rounds.keys();
    if (oldest === undefined) return;
    for (const remembered of rounds.get(oldest)?.values() ?? []) release(remembered);
    rounds.delete(oldest);
  }

  return {
    join(roundId, deployment, calls, sink) {
      if (roundId === "") return sink;
      const round = rounds.get(roundId) ?? new Map<string, Remembered>();
      rounds.set(roundId, round);
      const known = round.get(deployment);
      if (known?.answers.length === calls) {
        for (const [call, answer] of known.answers.entries()) if (answer) sink(call, answer);
        known.listeners.add(sink);
        return undefined;
      }
      const own: Remembered = { answers: Array.from({ length: calls }, () => undefined), listeners: new Set([sink]) };
      release(known);
      round.set(deployment, own);
      while (rounds.size > MAX_ROUNDS || (bytes > MAX_BYTES && rounds.size > 1)) forgetOldest();
      return (call, answer) => {
        const isKept = rounds.get(roundId) === round && round.get(deployment) === own;
        if (isKept && FORGOTTEN.has(answer.code)) {
          release(own);
          round.delete(deployment);
        } else if (isKept) {
          own.answers[call] = answer;
          bytes += answer.value.length;
        }
        for (const listener of own.listeners) listener(call, answer);
      };
    },
  };
}
