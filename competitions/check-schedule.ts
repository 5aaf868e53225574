import { z } from "zod";
import type { Competition, ScheduledScope } from "./competition.ts";
import type { Problem } from "./competition-error.ts";

/** What of the node a contract is checked against; absent: not checked. */
export interface CheckSettings {
  granularityMs?: number | undefined;
  /** how long models may take, MODEL_RUNNER_TIMEOUT_SECONDS */
  timeoutMs?: number | undefined;
}

const positive = z.number().int("a whole number of milliseconds").positive("more than 0");
const scopeShape = z.object({
  scopeKey: z.string().regex(/^[\w.:-]{1,100}$/, "letters, digits, _ . : and - only, at most 100"),
  scope: z.looseObject({ subject: z.string().min(1, "name a subject of FEED_SUBJECTS") }),
  everyMs: positive,
  phaseMs: z.number().int().optional(),
  resolveAfterMs: z.number().int("a whole number of milliseconds").nonnegative(),
  giveUpAfterMs: positive,
});
const scopesShape = (least: number) => z.array(scopeShape).min(least, "give at least one scope");

/** The contract's scopes for these subjects, or what is wrong with them. One that has tournament rounds needs none. */
export function readSchedule(
  { schedule, tournament }: Pick<Competition, "schedule" | "tournament">,
  subjects: readonly string[],
): { scopes: ScheduledScope[]; problems: Problem[] } {
  try {
    const parsed = scopesShape(tournament ? 0 : 1).safeParse(schedule(subjects));
    if (parsed.success) return { scopes: parsed.data as ScheduledScope[], problems: [] };
    const problems = parsed.error.issues.map(({ path, message }) => ({
      where: ["schedule", ...path].map(String).join("."),
      what: message,
    }));
    return { scopes: [], problems };
  } catch (error) {
    return { scopes: [], problems: [{ where: "schedule", what: `throws ${String(error)}` }] };
  }
}

/** Scopes that no round of can go well. */
export function scheduleProblems(
  { publishDelayMs = 0 }: Pick<Competition, "publishDelayMs">,
  scopes: readonly ScheduledScope[],
  { granularityMs }: CheckSettings,
): Problem[] {
  const keys = scopes.map((s) => s.scopeKey);
  const twice = [...new Set(keys.filter((key, i) => keys.indexOf(key) !== i))];
  const subjects = new Map(scopes.map((s) => [s.scopeKey, s]));
  return [
    ...twice.map((key) => ({ where: "schedule", what: `the scope ${key} is there twice: give each its own scopeKey` })),
    ...[...subjects.values()].flatMap(({ scopeKey, resolveAfterMs, giveUpAfterMs }) => {
      const where = `schedule ${scopeKey}`;
      const found: Problem[] = [];
      if (granularityMs !== undefined && resolveAfterMs < granularityMs)
        found.push({
          where: `${where}.resolveAfterMs`,
          what: `${resolveAfterMs} ms is shorter than one record of the feed (FEED_GRANULARITY, ${granularityMs} ms): the price could not have moved; write ${granularityMs} or more`,
        });
      if (giveUpAfterMs < publishDelayMs)
        found.push({
          where: `${where}.giveUpAfterMs`,
          what: `${giveUpAfterMs} ms is over before a truth is settled (publishDelayMs ${publishDelayMs}): every round would be UNRESOLVABLE; write more than ${publishDelayMs}`,
        });
      return found;
    }),
  ];
}

/** What works, but perhaps not as it is meant. */
export function scheduleNotes(
  scopes: readonly ScheduledScope[],
  { granularityMs, timeoutMs }: CheckSettings,
): Problem[] {
  return scopes.flatMap(({ scopeKey, everyMs, resolveAfterMs }) => {
    const where = `schedule ${scopeKey}`;
    const found: Problem[] = [];
    if (timeoutMs !== undefined && resolveAfterMs < timeoutMs)
      found.push({
        where,
        what: `models get ${resolveAfterMs} ms, until the truth is known, and not the ${timeoutMs} ms of MODEL_RUNNER_TIMEOUT_SECONDS`,
      });
    if (granularityMs !== undefined && everyMs < granularityMs)
      found.push({ where, what: `asks every ${everyMs} ms on a feed that speaks every ${granularityMs} ms` });
    return found;
  });
}
