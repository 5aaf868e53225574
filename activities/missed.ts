import type { Database } from "../db/database.ts";
import { runningModels } from "../db/deployments.ts";
import { storeCollected } from "../db/predictions.ts";
import { type RoundRow, roundById } from "../db/rounds.ts";
import { predictionId } from "../domain/ids.ts";
import { type CollectCounts, NO_COUNTS } from "../domain/round.ts";

/** Closes a round that nobody collected in time: the models it would have called are ABSENT for the node's reason, not theirs. */
export async function storeMissed(
  db: Database,
  round: RoundRow,
  reason: string,
): Promise<{ status: string; counts: CollectCounts }> {
  const models = await runningModels(db);
  const counts: CollectCounts = { ...NO_COUNTS, absent: models.length };
  const performedAtMs = Date.now();
  const first = await storeCollected(db, {
    roundId: round.id,
    scopeKey: round.scope_key,
    scope: round.scope_jsonb,
    configId: `CFG_${round.scope_key}`,
    dueMs: round.due_at.getTime(),
    resolveAtMs: round.resolve_at.getTime(),
    input: null,
    counts,
    missed: reason,
    predictions: models.map((m) => ({
      id: predictionId(round.id, m.id),
      modelId: m.id,
      deploymentId: m.deployment_identifier,
      status: "ABSENT" as const,
      reason: `missed round: ${reason}`,
      execTimeUs: 0,
      output: null,
      meta: {},
      performedAtMs,
    })),
  });
  if (first) return { status: "MISSED", counts };
  const now = (await roundById(db, round.id)) ?? round;
  return { status: now.status, counts: { ...NO_COUNTS, ...now.counts_jsonb } };
}
