import type { Ranked } from "../emission.ts";
import type { CustomRule } from "./rule.ts";

/** A contract's own function gave what no emission can be made of: its message is the cause that an operator reads. */
export class EmissionRefused extends Error {
  override name = "EmissionRefused";
}

/** What a contract's own buildEmission answers: a weight for each model, by id; whole numbers, a model without one has none. */
export type EmissionWeights = Readonly<Record<string, number | bigint>>;

/**
 * The rule that stands for an answer of buildEmission to this ranking. Throws EmissionRefused where it is no object of whole numbers from 0, names a
 * model that is not ranked, or gives nobody anything.
 */
export function customRule(answer: unknown, ranking: readonly Pick<Ranked, "modelId">[]): CustomRule {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer))
    throw new EmissionRefused("buildEmission answers no weights: return { [model id]: whole number }");
  const known = new Set(ranking.map((m) => m.modelId));
  const strange = Object.keys(answer).find((id) => !known.has(id));
  if (strange !== undefined)
    throw new EmissionRefused(`buildEmission names ${JSON.stringify(strange)}, which is not among the ranked models`);
  const given = new Map(Object.entries(answer).map(([id, weight]) => [id, wholeNumber(id, weight)]));
  const weights = ranking.flatMap(({ modelId }) => {
    const weight = given.get(modelId) ?? 0n;
    return weight === 0n ? [] : [{ model_id: modelId, weight: String(weight) }];
  });
  if (ranking.length > 0 && weights.length === 0)
    throw new EmissionRefused(`buildEmission gives none of the ${ranking.length} ranked models anything`);
  return { strategy: "custom", weights };
}

function wholeNumber(id: string, weight: unknown): bigint {
  if (typeof weight === "bigint" ? weight >= 0n : Number.isSafeInteger(weight) && (weight as number) >= 0)
    return BigInt(weight as number | bigint);
  throw new EmissionRefused(
    `buildEmission gives ${JSON.stringify(id)} the weight ${String(weight)}: write a whole number from 0 to 2^53, or a bigint`,
  );
}

/** In the order of the ranking. Throws EmissionRefused where the rule is for another ranking. */
export function customWeights({ weights }: CustomRule, ranking: readonly Pick<Ranked, "modelId">[]): bigint[] {
  const answer = Object.fromEntries(weights.map(({ model_id, weight }) => [model_id, BigInt(weight)]));
  const checked = new Map(customRule(answer, ranking).weights.map((w) => [w.model_id, BigInt(w.weight)]));
  return ranking.map(({ modelId }) => checked.get(modelId) ?? 0n);
}
