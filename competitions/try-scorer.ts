import type { Competition, ScheduledScope } from "./competition.ts";
import { type Findings, shown } from "./findings.ts";
import type { ScoreItem, Scorer } from "./scorer.ts";
import { withinLimit } from "./within-limit.ts";

export interface Samples {
  scope: ScheduledScope;
  outputs: readonly unknown[];
  truths: readonly unknown[];
}

/** What the scorer gave for every output on every truth. */
export async function tryScorer(
  { competition, scorer }: { competition: Competition; scorer: Scorer },
  { scope: { scope }, outputs, truths }: Samples,
  found: Findings,
) {
  const items = truths.flatMap((truth, t) =>
    outputs.map(
      (output, o): ScoreItem => ({
        predictionId: `PRE_sample/${t}/${o}`,
        modelId: `sample-${o}`,
        output,
        truth,
        scope,
      }),
    ),
  );
  if (items.length === 0) return [];
  const say = (what: string): void => void found.problems.push({ where: "score", what });
  const outcomes = await scorer.scoreBatch(items).catch((error: unknown) => say(`cannot be asked: ${String(error)}`));
  if (!outcomes) return [];
  const judged = outcomes.map((o, i) => ({
    item: items[i]!,
    why: "error" in o ? o.error : badScore(o.result),
    result: "error" in o ? null : o.result,
  }));
  const good = judged.filter((j) => j.why === null);
  const bad = judged.find((j) => j.why !== null);
  const example = bad
    ? `${bad.why} for the prediction ${shown(bad.item.output)} and the truth ${shown(bad.item.truth)}`
    : "";
  if (good.length === 0) say(`gives no score for any sample: ${example}`);
  else if (bad)
    found.notes.push({
      where: "score",
      what: `gives no score for ${judged.length - good.length} of ${judged.length} samples: ${example}`,
    });
  const scores = good.map((j) => ({ truth: j.item.truth, value: Number(j.result!.value) }));
  if (!competition.allowConstantScorer && isConstant(scores))
    say(
      `gives ${scores[0]!.value} for every prediction that was tried on ${truths.length} truth(s), such as ${shown(outputs[0])} and ${shown(outputs[1])}: it tells no model from another. Write a scorer that uses the prediction, or allowConstantScorer: true`,
    );
  return good.map((j) => j.result!);
}

/** Why an answer is no score; null: it is one. */
function badScore(result: unknown): string | null {
  const value = (result as { value?: unknown } | null | undefined)?.value;
  if (typeof value === "number" && Number.isFinite(value)) return null;
  if ((result as { success?: unknown } | null | undefined)?.success === false) return null;
  return typeof value === "number" ? `value is ${value}` : `the answer ${shown(result)} has no number called value`;
}

/** The same for all predictions, whatever the truth. */
function isConstant(scores: readonly { truth: unknown; value: number }[]): boolean {
  const groups = [...Map.groupBy(scores, (s) => s.truth).values()].filter((group) => group.length > 1);
  return groups.length > 0 && groups.every((group) => group.every(({ value }) => Object.is(value, group[0]!.value)));
}

/** The pair that metrics compare. */
export function tryPair(competition: Competition, { outputs, truths }: Samples, found: Findings): void {
  if (outputs.length === 0 || truths.length === 0) return;
  const { metrics, ranking, emission } = competition;
  try {
    const pair = withinLimit(() => competition.pair(outputs[0], truths[0]));
    const fits = pair === null || [pair?.predicted, pair?.actual].every((x) => typeof x === "number");
    if (!fits)
      found.problems.push({ where: "pair", what: `answers ${shown(pair)}: write { predicted, actual } or null` });
    if (pair === null && metrics.includes(ranking.key) && ranking.key !== "max_drawdown")
      found.problems.push({
        where: "ranking.key",
        what: `${ranking.key} compares pairs, and this competition's pair is null: rank by a window`,
      });
    if (pair === null && emission?.strategy === "contribution_weighted")
      found.problems.push({
        where: "emission.strategy",
        what: "contribution_weighted compares pairs, and this competition's pair is null: take tier or buildEmission",
      });
  } catch (error) {
    found.problems.push({ where: "pair", what: `throws ${String(error)}` });
  }
}
