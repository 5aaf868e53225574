import type { Problem } from "./competition-error.ts";
import { withinLimit } from "./within-limit.ts";

/** What a look at a competition found. */
export interface Findings {
  /** it cannot be run like this */
  problems: Problem[];
  /** it can, and perhaps it is not meant so */
  notes: Problem[];
}

const SHOWN = 200;
/** A value as an error shows it. */
export const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, SHOWN);

/** What a callable answers in time; its error becomes a problem. */
export async function attempt<T>(
  where: string,
  call: () => T | Promise<T>,
  found: Findings,
): Promise<{ value: T } | null> {
  try {
    return { value: await withinLimit(call) };
  } catch (error) {
    found.problems.push({
      where,
      what: `throws on sample values: ${error instanceof Error ? error.message : String(error)}`,
    });
    return null;
  }
}
