import type { RankOrder } from "./competition.ts";

/** Why this is no order of these models; null: it is one. */
export function rankProblem(order: unknown, modelIds: readonly string[]): string | null {
  if (!Array.isArray(order))
    return "answers no list: write model ids, best first, those of one rank in a list of their own";
  const ids = (order as RankOrder).flat();
  const strange = ids.find((id) => !modelIds.includes(id));
  if (strange !== undefined) return `names ${JSON.stringify(strange)}, which is no model of the list it was given`;
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) return `names ${twice} twice`;
  const missing = modelIds.filter((id) => !ids.includes(id));
  return missing.length > 0 ? `leaves out ${missing.join(", ")}` : null;
}
