import { ApplicationFailure } from "@temporalio/common";
import { lastPeriodEnd } from "../db/checkpoints.ts";
import type { Queryable } from "../db/database.ts";
import { firstWindowStart, windowCoverage } from "../db/period-snapshots.ts";
import type { Period } from "../domain/period.ts";

const ASK_AGAIN = "1s";

const notReady = (type: string, message: string) =>
  ApplicationFailure.create({ type, message, nextRetryDelay: ASK_AGAIN });
const iso = (ms: number): string => new Date(ms).toISOString();

/**
 * Returns when a period may be sealed: it begins where the last sealed one ended (the first: when the competition began, or before), and every scoring
 * window that ends in it is committed. A window that reaches beyond the end belongs to the next period and is not waited for.
 * Throws what Temporal tries again after a second; PeriodOverlap, for good, where a part of it has been sealed already.
 */
export async function requireReady(db: Queryable, period: Period): Promise<void> {
  const { startMs, endMs } = period;
  const began = (await firstWindowStart(db))?.getTime();
  if (began === undefined) throw notReady("WindowsNotCommitted", "there is no scoring window yet");
  const sealedUntil = (await lastPeriodEnd(db))?.getTime();
  if (sealedUntil !== undefined && sealedUntil > startMs) throw overlap(period);
  const before = sealedUntil ?? began;
  if (before < startMs)
    throw notReady("EarlierPeriodOpen", `the time from ${iso(before)} to ${iso(startMs)} is not sealed`);
  const fromMs = Math.max(startMs, began);
  const { coveredMs, firstOpenEnd } = await windowCoverage(db, fromMs, endMs);
  if (firstOpenEnd)
    throw notReady(
      "WindowsNotCommitted",
      `the scoring window that ends ${firstOpenEnd.toISOString()} is not committed`,
    );
  if (fromMs >= endMs || coveredMs < endMs - fromMs)
    throw notReady("WindowsNotCommitted", `the scoring windows do not reach the period's end ${iso(endMs)}`);
}

const EXCLUSION_VIOLATION = "23P01";

/** Another seal of the same time was faster: the schema refuses the second. */
export const refuseOverlap =
  (period: Period) =>
  (error: unknown): never => {
    throw (error as { code?: string }).code === EXCLUSION_VIOLATION ? overlap(period) : error;
  };

/** After a change of the interval a period of the old grid may overlap one that is sealed: it will never be. */
const overlap = ({ startMs, endMs }: Period) =>
  ApplicationFailure.nonRetryable(
    `the period ${iso(startMs)} to ${iso(endMs)} overlaps a sealed one; its time is in that checkpoint`,
    OVERLAP,
  );
const OVERLAP = "PeriodOverlap";

export const isOverlap = (error: unknown): boolean => error instanceof ApplicationFailure && error.type === OVERLAP;
