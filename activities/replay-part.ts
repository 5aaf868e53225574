import type { Difference } from "../domain/difference.ts";

type PartName = "input hash" | "input" | "truth" | "scores";
/** One part of a round, made again. */
export interface Part {
  part: PartName;
  verdict: "equal" | "differs" | "not compared";
  /** of what was compared, or why it was not */
  note: string;
  difference: Difference | null;
}
export const equal = (part: PartName, note: string): Part => ({ part, verdict: "equal", note, difference: null });
export const skipped = (part: PartName, note: string): Part => ({
  part,
  verdict: "not compared",
  note,
  difference: null,
});
export const differs = (part: PartName, difference: Difference, note: string): Part => ({
  part,
  verdict: "differs",
  note,
  difference,
});
/** Under other code than the round ran under, a difference proves nothing. */
export const judged = (part: PartName, difference: Difference, note: string, foreign: string | null): Part =>
  foreign === null
    ? differs(part, difference, note)
    : { ...skipped(part, `${foreign}; it says otherwise`), difference };

/** A callable that throws now did not throw then. */
export const orThrown = (part: PartName, run: Promise<Part>): Promise<Part> =>
  run.catch((error: unknown) =>
    differs(part, { field: part, stored: "an answer", recomputed: String(error) }, "it threw"),
  );
