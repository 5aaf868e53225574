import type { Database } from "../../../db/database.ts";
import { recordFleet } from "../../../db/deployments.ts";
import { ensurePartitions } from "../../../db/partitions.ts";
import { storeCollected } from "../../../db/predictions.ts";
import { insertRound, recordContract, roundById } from "../../../db/rounds.ts";
import { storeScores } from "../../../db/scores.ts";
import { resolveRounds } from "../../../db/truths.ts";
import { predictionId, roundId, scoreId } from "../../../domain/ids.ts";

export const CONTRACT = "c0417ac7";
export const T0 = Date.UTC(2026, 10, 21, 12);
const SCORER = "5c0e5c0e5c0e5c0e";

export const announce = (db: Database, models: Record<string, string>): Promise<void> =>
  recordFleet(
    db,
    Object.entries(models).map(([modelId, deploymentId]) => ({
      ...{ modelId, deploymentId, modelName: modelId, cruncherId: `c-${modelId}`, cruncherName: modelId, meta: {} },
    })),
  );

export const agree = (db: Database): Promise<void> => recordContract(db, { hash: CONTRACT, body: {}, scopes: [] });

/** A round that models of these deployments answered, brought as far as asked; its id. */
export async function play(
  db: Database,
  {
    scopeKey = "X",
    dueMs,
    models,
    until,
  }: {
    scopeKey?: string;
    dueMs: number;
    models: Record<string, string>;
    until: "COLLECTING" | "WAITING" | "SCORED";
  },
): Promise<string> {
  const id = roundId({ competition: "t", scopeKey, dueMs });
  const times = { dueMs, deadlineMs: dueMs + 500, resolveAtMs: dueMs + 1_000, giveUpAtMs: dueMs + 9_000 };
  const scope = { subject: "X" };
  await insertRound(db, { id, scopeKey, scope, ...times, contractHash: CONTRACT, status: "COLLECTING" });
  if (until === "COLLECTING") return id;
  const entries = Object.entries(models);
  await storeCollected(db, {
    ...{ roundId: id, scopeKey, scope, configId: `CFG_${scopeKey}`, dueMs, resolveAtMs: dueMs + 1_000 },
    ...{ input: { data: {}, hash: "h" }, performedAtMs: dueMs + 100 },
    counts: { called: entries.length, answered: entries.length, failed: 0, timed_out: 0, absent: 0 },
    predictions: entries.map(([modelId, deploymentId]) => ({
      ...{ id: predictionId(id, modelId), modelId, deploymentId, status: "PENDING", reason: null },
      ...{ execTimeUs: 1, output: { value: 1 }, meta: {} },
    })),
  });
  if (until === "WAITING") return id;
  await ensurePartitions(db, "scores", dueMs, dueMs);
  await resolveRounds(db, [{ roundId: id, result: { profit: 1 }, evidence: {} }]);
  const scores = entries.map(([modelId, deploymentId]) => ({
    ...{
      id: scoreId(predictionId(id, modelId), SCORER),
      predictionId: predictionId(id, modelId),
      modelId,
      deploymentId,
    },
    ...{ scorerHash: SCORER, result: { value: 1 }, value: 1, pair: null, success: true, failedReason: null },
  }));
  await storeScores(db, [{ round: (await roundById(db, id))!, scores, leaf: () => null }]);
  return id;
}
