import { mean } from "./statistics.ts";

/**
 * What a model's snapshot says of its scores in one scoring window, unless the contract has a rule of its own: the mean of every field that is a number, over
 * the results that have it. Booleans and texts are no numbers and stay with the scores; failed scores are not among the results.
 */
export function meanOfFields(results: readonly Readonly<Record<string, unknown>>[]): Record<string, number> {
  const names = new Set(results.flatMap((r) => Object.keys(r)));
  const fields = [...names].map((name) => {
    const numbers = results.map((r) => r[name]).filter((v) => typeof v === "number" && Number.isFinite(v)) as number[];
    return [name, numbers] as const;
  });
  return Object.fromEntries(fields.filter(([, n]) => n.length > 0).map(([name, n]) => [name, mean(n)]));
}
