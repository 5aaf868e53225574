import { type RetryDeps, retryDeadLetters } from "../activities/dead-letter.ts";

const SWEEP_MS = 3_000;

/** Tries again what somebody asked to try again, one pass after the other; returns what ends it, the present pass included. */
export function sweepDeadLetters(deps: RetryDeps): () => Promise<void> {
  let pass: Promise<unknown> | undefined;
  const sweep = setInterval(() => {
    pass ??= retryDeadLetters(deps)
      .catch((error: unknown) => deps.log.warn({ error: String(error) }, "dead letters wait for the next pass"))
      .finally(() => {
        pass = undefined;
      });
  }, SWEEP_MS);
  return async () => {
    clearInterval(sweep);
    await pass;
  };
}
