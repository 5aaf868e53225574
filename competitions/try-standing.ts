import { rankedField } from "../domain/ranked-field.ts";
import type { Competition, RankableModel } from "./competition.ts";
import { attempt, type Findings, shown } from "./findings.ts";
import { rankProblem } from "./rank-order.ts";

/** What a checkpoint ranks by has to be in the summary; metrics are put there by the node itself. */
export async function tryAggregator(
  { aggregateSnapshot, ranking, windows }: Competition,
  results: readonly Readonly<Record<string, unknown>>[],
  found: Findings,
) {
  if (!aggregateSnapshot || results.length === 0) return;
  const summary = await attempt("aggregateSnapshot", () => aggregateSnapshot(results), found);
  if (summary && rankedField({ ranking, windows }) === "value" && !Number.isFinite(summary.value?.value))
    found.problems.push({
      where: "aggregateSnapshot",
      what: `answers ${shown(summary.value)}: it needs a finite number called value, by which checkpoints are ranked and paid (ranking.key is ${ranking.key})`,
    });
}

/** Three models, one of them without any score. */
export async function tryRanker(competition: Competition, found: Findings): Promise<void> {
  const { rankModels, windows, metrics, ranking, buildEmission } = competition;
  if (!rankModels) return;
  if (!buildEmission)
    found.notes.push({
      where: "rankModels",
      what: `orders the leaderboard only: checkpoints pay by ranking.key (${ranking.key}), which anybody can compute again; write buildEmission to pay by another order`,
    });
  const names = [...windows.map((w) => w.name), "overall", ...metrics];
  const rows = ["a", "b", "c"].map(
    (modelId, i): RankableModel => ({
      modelId,
      metrics: Object.fromEntries(names.map((name) => [name, i === 2 ? null : 1 / (i + 1)])),
      predictionCount: 10 * (i + 1),
      newcomer: i === 2,
    }),
  );
  const order = await attempt("rankModels", () => rankModels(rows), found);
  const problem =
    order &&
    rankProblem(
      order.value,
      rows.map((row) => row.modelId),
    );
  if (problem) found.problems.push({ where: "rankModels", what: problem });
}
