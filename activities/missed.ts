import type { Database } from "../db/database.ts";
import { runningModels } from "../db/deployments.ts";
import { storeCollected } from "../db/predictions.ts";
import { roundById } from "../db/rounds.ts";
import { predictionId } from "../domain/ids.ts";
import { type CollectCounts, NO_COUNTS } from "../domain/round.ts";
import type { CollectJob, CollectResult } from "./collect.ts";

/** Closes a round that nobody collected in time: the models it would have called are ABSENT for the node's reason, not theirs. */
export async function storeMissed(db: Database, job: CollectJob, reason: string): Promise<CollectResult> {
  const called = job.callees && new Set(job.callees);
  const models = (await runningModels(db)).filter((m) => called?.has(m.id) ?? true);
  const counts: CollectCounts = { ...NO_COUNTS, absent: models.length };
  const first = await storeCollected(db, {
    ...job,
    configId: `CFG_${job.scopeKey}`,
    input: null,
    counts,
    missed: reason,
    performedAtMs: Date.now(),
    predictions: models.map((m) => ({
      id: predictionId(job.roundId, m.id),
      modelId: m.id,
      deploymentId: m.deployment_identifier,
      status: "ABSENT" as const,
      reason: `missed round: ${reason}`,
      execTimeUs: 0,
      output: null,
      meta: {},
    })),
  });
  if (first) return { status: "MISSED", counts };
  const row = await roundById(db, job.roundId);
  return { status: row?.status ?? "MISSED", counts: { ...NO_COUNTS, ...row?.counts_jsonb } };
}
