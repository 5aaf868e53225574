import type { Competition, RankableModel } from "./competition.ts";
import { attempt, type Findings, shown } from "./findings.ts";
import { rankProblem } from "./rank-order.ts";

/** A checkpoint ranks by the summary's `value`. */
export async function tryAggregator(
  { aggregateSnapshot }: Competition,
  results: readonly Readonly<Record<string, unknown>>[],
  found: Findings,
) {
  if (!aggregateSnapshot || results.length === 0) return;
  const summary = await attempt("aggregateSnapshot", () => aggregateSnapshot(results), found);
  if (summary && !Number.isFinite(summary.value?.value))
    found.problems.push({
      where: "aggregateSnapshot",
      what: `answers ${shown(summary.value)}: it needs a finite number called value, by which checkpoints are ranked and paid`,
    });
}

/** Three models, one of them without any score. */
export async function tryRanker({ rankModels, windows, metrics }: Competition, found: Findings): Promise<void> {
  if (!rankModels) return;
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
