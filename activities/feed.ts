import { setTimeout as delay } from "node:timers/promises";
import type { Feed } from "../feeds/feed.ts";
import { createIntake, type IntakeDeps, subscriptionOf } from "./feed-intake.ts";
import type { OpenCandles } from "./open-candles.ts";

export interface IngestionDeps extends IntakeDeps {
  /** absent: the feed shows no candle before it is closed */
  openCandles?: OpenCandles;
}

const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** Holes, silence and counts are looked at this often. */
const ROUTINE_MS = 1_000;

/**
 * Stores one stream until `signal` aborts: what was missed since the watermark first, then what the feed delivers. A source or a database
 * that is away is waited for, a hole is noted before anything behind it is stored and filled page by page beside the live records.
 */
export async function ingest(deps: IngestionDeps, signal: AbortSignal): Promise<void> {
  const { feed } = deps;
  /** An end must not wait for as long as a busy source asks us to. */
  const fetch: Feed["fetch"] = (request) => feed.fetch({ ...request, signal });
  const intake = createIntake({ ...deps, feed: { ...feed, fetch } });
  const forever = (work: () => Promise<void>): Promise<void> => untilDone(deps, work, signal);
  await forever(intake.begin);
  await Promise.all([
    routine(deps, intake.routine, signal),
    ...(deps.openCandles ? [routine(deps, deps.openCandles.flush, signal)] : []),
    listen(deps, (r) => forever(() => intake.take(r)), signal),
  ]);
  await deps.quality.flush();
}

/** A feed ends its listening with the signal only; one that ends before is asked again. */
async function listen(
  deps: IngestionDeps,
  sink: Parameters<IngestionDeps["feed"]["listen"]>[1],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await untilDone(deps, () => deps.feed.listen(subscriptionOf(deps.stream), sink, signal), signal);
    if (!signal.aborted) await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function routine({ log, stream }: IngestionDeps, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(ROUTINE_MS, undefined, { signal }).catch(() => undefined);
    await work().catch((error: unknown) =>
      log.warn({ source: stream.source, error: String(error) }, "upkeep of a feed failed; again in a second"),
    );
  }
}

async function untilDone(deps: IngestionDeps, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const { source } = deps.stream;
  for (let waitMs = RETRY_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)) {
    try {
      return await work();
    } catch (error) {
      deps.log.error({ source, error: String(error) }, `feed ingestion was interrupted; again in ${waitMs / 1_000} s`);
      deps.quality.count("interrupted", undefined, String(error));
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
