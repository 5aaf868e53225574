import type { Database } from "../db/database.ts";
import { competitionStart } from "../db/rounds.ts";
import { lastWindow, nextResolveAt, openWindow, openWindows, type WindowRow } from "../db/windows.ts";
import { lastDue } from "../domain/schedule.ts";

export interface WindowClock {
  intervalMs: number;
  /** checkpoint periods end at `anchorMs` + n · `periodMs`; no window crosses such an instant */
  periodMs: number;
  anchorMs: number;
}

/** A stretch in which nothing resolves becomes one window, cut only where a checkpoint period ends. */
export function windowEnd(clock: WindowClock, startMs: number, nowMs: number, nextResolveMs: number | null): number {
  const grid = { everyMs: clock.intervalMs, phaseMs: clock.anchorMs };
  const first = lastDue(grid, startMs) + clock.intervalMs;
  const quietUntil = Math.min(lastDue(grid, nowMs), nextResolveMs === null ? nowMs : lastDue(grid, nextResolveMs));
  const periodEnd = lastDue({ everyMs: clock.periodMs, phaseMs: clock.anchorMs }, startMs) + clock.periodMs;
  return Math.min(Math.max(first, quietUntil), periodEnd);
}

/** Writes a row for every window that has ended since the last one, and returns all that wait to be built, the oldest first. */
export async function openDueWindows(
  db: Database,
  clock: WindowClock,
  nowMs: number,
  limit: number,
): Promise<WindowRow[]> {
  const last = await lastWindow(db);
  const began = last ? last.end_at.getTime() : await competitionStart(db);
  if (began === null) return [];
  let startMs = last ? began : lastDue({ everyMs: clock.intervalMs, phaseMs: clock.anchorMs }, began);
  for (let opened = 0; opened < limit; opened++) {
    const endMs = windowEnd(clock, startMs, nowMs, await nextResolveAt(db, startMs));
    if (endMs > nowMs) break;
    await openWindow(db, startMs, endMs);
    startMs = endMs;
  }
  return openWindows(db, limit);
}
