/** Due times are multiples of `everyMs` on the clock plus a phase: the same before and after a restart. */
export interface Cadence {
  everyMs: number;
  phaseMs?: number;
}

/** The latest due time at or before `nowMs`. */
export function lastDue(cadence: Cadence, nowMs: number): number {
  const phase = cadence.phaseMs ?? 0;
  return Math.floor((nowMs - phase) / cadence.everyMs) * cadence.everyMs + phase;
}

/** Due times in (`afterMs`, `untilMs`], ascending, at most `limit` of them, the oldest first. */
export function dueTimes(
  cadence: Cadence,
  afterMs: number,
  untilMs: number,
  limit = Number.POSITIVE_INFINITY,
): number[] {
  const due: number[] = [];
  for (let at = lastDue(cadence, afterMs) + cadence.everyMs; at <= untilMs && due.length < limit; at += cadence.everyMs)
    due.push(at);
  return due;
}

/** The number of a due time among all of its cadence: a count that needs no memory. */
export const dueNumber = (cadence: Cadence, dueMs: number): number =>
  Math.round((dueMs - (cadence.phaseMs ?? 0)) / cadence.everyMs);

interface Spread extends Cadence {
  scope: { subject: string };
}

/** Phases fall on whole seconds where a share is longer than one. */
const GRID_MS = 1_000;

/**
 * Gives a phase to each scope that names none: those of one interval share it evenly, subjects taking turns, so that neither the models nor
 * one market's rounds come in a burst. A function of the list alone. A phase that the contract names is kept.
 */
export function spreadPhases<S extends Spread>(scopes: readonly S[]): (S & { phaseMs: number })[] {
  const phases = new Map<S, number>();
  const unnamed = scopes.filter((s) => s.phaseMs === undefined);
  for (const [everyMs, group] of Map.groupBy(unnamed, (s) => s.everyMs)) {
    const grid = everyMs / group.length >= GRID_MS ? GRID_MS : 1;
    for (const [i, scope] of inTurns(group).entries())
      phases.set(scope, Math.floor((i * everyMs) / group.length / grid) * grid);
  }
  return scopes.map((s) => ({ ...s, phaseMs: s.phaseMs ?? phases.get(s) ?? 0 }));
}

/** The first scope of each subject, then the second of each, in the order of the list. */
function inTurns<S extends Spread>(group: readonly S[]): S[] {
  const bySubject = [...Map.groupBy(group, (s) => s.scope.subject).values()];
  const turns = Math.max(...bySubject.map((own) => own.length));
  return Array.from({ length: turns }, (_, turn) => bySubject.flatMap((own) => own.slice(turn, turn + 1))).flat();
}
