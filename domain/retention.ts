/** Something that still needs rows: everything from an instant on. The clearest reason is shown to people. */
export interface Need {
  what: string;
  fromMs: number;
}
/** Something that needs a stretch only: [fromMs, untilMs). */
export interface Span {
  what: string;
  fromMs: number;
  untilMs: number;
}

/** Up to where rows may go, and what keeps those that are older than their time to live. */
export interface Cut {
  /** rows before this instant are older than their time to live; null: they are kept for ever */
  expiredBeforeMs: number | null;
  /** rows before this instant may go */
  beforeMs: number;
  /** what keeps expired rows; null: nothing does */
  heldBy: Need | null;
}

/** @param ttlMs 0: for ever */
export function cutOf(nowMs: number, ttlMs: number, needs: readonly (Need | null)[]): Cut {
  if (ttlMs === 0) return { expiredBeforeMs: null, beforeMs: Number.NEGATIVE_INFINITY, heldBy: null };
  const expiredBeforeMs = nowMs - ttlMs;
  const first = earliest(needs);
  const held = first !== null && first.fromMs < expiredBeforeMs;
  return { expiredBeforeMs, beforeMs: held ? first.fromMs : expiredBeforeMs, heldBy: held ? first : null };
}

export const earliest = (needs: readonly (Need | null)[]): Need | null =>
  needs.reduce<Need | null>((min, need) => (need && (min === null || need.fromMs < min.fromMs) ? need : min), null);

/** Why a day [fromMs, untilMs) stays; null: it may go as a whole. */
export function keptDay(day: { fromMs: number; untilMs: number }, cut: Cut, spans: readonly Span[]): string | null {
  if (cut.expiredBeforeMs === null) return "kept for ever";
  if (day.untilMs > cut.expiredBeforeMs) return "younger than its time to live";
  if (day.untilMs > cut.beforeMs) return cut.heldBy!.what;
  return spans.find((s) => s.fromMs < day.untilMs && s.untilMs > day.fromMs)?.what ?? null;
}

export interface SealedPeriod {
  id: string;
  startMs: number;
  /** when its evidence was written to a file of its own; null: it was not */
  bundleWrittenMs: number | null;
}

/** A checkpoint's period may only be forgotten when its evidence bundle is written: until then a stranger could not check it any more. */
export function evidenceNeed(periods: readonly SealedPeriod[]): Need | null {
  const open = periods.filter((p) => p.bundleWrittenMs === null);
  return earliest(open.map((p) => ({ what: `${p.id} has no evidence bundle yet`, fromMs: p.startMs })));
}
