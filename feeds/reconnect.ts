import { setTimeout as delay } from "node:timers/promises";
import { FeedSettingError } from "./feed.ts";
import { causeOf } from "./http.ts";
import { excerpt, type Report } from "./report.ts";

const LONGEST_MS = 30_000;
/** A connection that lived so long was a good one: the next delay begins anew. */
const GOOD_FACTOR = 10;

/** The source refused the connection and said when to come again. */
export class RetryLater extends Error {
  override name = "RetryLater";
  readonly waitMs: number;
  constructor(message: string, waitMs: number) {
    super(message);
    this.waitMs = waitMs;
  }
}

export interface ConnectionOptions {
  signal: AbortSignal;
  /** the first delay, ms */
  retryMs: number;
  report: Report;
  random?: () => number;
  now?: () => number;
}

/**
 * Connects for ever: `connect` settles, either way, when its connection is over. Delays double up to half a minute and are
 * jittered by half, so that many nodes do not return at one instant. Only settings that cannot work end it, and `signal`.
 */
export async function keepConnected(options: ConnectionOptions, connect: () => Promise<void>): Promise<void> {
  const { signal, retryMs, report, random = Math.random, now = Date.now } = options;
  let failures = 0;
  while (!signal.aborted) {
    const beganMs = now();
    let askedMs = 0;
    const reason = await connect().then(
      () => "the source closed the connection",
      (error: unknown) => {
        if (error instanceof FeedSettingError) throw error;
        if (error instanceof RetryLater) askedMs = error.waitMs;
        return causeOf(error);
      },
    );
    if (signal.aborted) return;
    failures = now() - beganMs >= GOOD_FACTOR * retryMs ? 0 : failures + 1;
    const ceilingMs = Math.min(LONGEST_MS, retryMs * 2 ** Math.min(failures, 20));
    const waitMs = Math.max(askedMs, Math.round(ceilingMs * (0.5 + random() / 2)));
    report({ kind: askedMs > 0 ? "rate-limited" : "reconnect", ms: waitMs, detail: excerpt(reason) });
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
