import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import type { Recipients } from "../chain/recipients.ts";
import {
  type CheckpointRow,
  checkpointByEnd,
  checkpointById,
  insertSealed,
  lastPeriodEnd,
  replaceBlockedSeal,
  transition,
} from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { firstWindowStart, windowsOf } from "../db/period-snapshots.ts";
import type { CheckpointPhase, CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import type { Period } from "../domain/period.ts";
import { asActor, failIllegal, positionOf } from "./checkpoint-steps.ts";
import { type CheckpointMeta, emissionTable, type SealSettings, sealOf } from "./seal.ts";

export interface CheckpointDeps {
  db: Database;
  log: Logger;
  recipients: Recipients;
  seal: SealSettings;
  /** true on a local chain: nobody is asked */
  approvesItself: boolean;
}

export interface SealedPeriod extends CheckpointPosition {
  approvesItself: boolean;
  /** the emission as Markdown */
  table: string;
}

const ASK_AGAIN = "1s";

export function createCheckpointActivities(deps: CheckpointDeps) {
  const { db, log } = deps;
  const answer = async (row: CheckpointRow): Promise<SealedPeriod> => ({
    ...(await positionOf(db, row.id)),
    approvesItself: deps.approvesItself,
    table: emissionTable(row.meta_jsonb as unknown as CheckpointMeta),
  });
  return {
    /**
     * The checkpoint of a period: the one that is there, or a new one, sealed in one transaction. Retries by itself until every scoring window of
     * the period is committed and the period before is sealed.
     */
    async sealPeriod(period: Period): Promise<SealedPeriod> {
      const existing = await checkpointByEnd(db, period.endMs);
      if (existing) return answer(existing);
      await requireReady(db, period);
      const sealed = await sealOf(db, deps.recipients, deps.seal, period);
      const by = asActor({ actor: "node", cause: sealed.cause ?? "period sealed" });
      const row = await db
        .transaction()
        .execute((tx) => insertSealed(tx, sealed, by))
        .catch(refuseOverlap(period));
      log.info({ checkpoint: row.id, phase: row.phase, cause: row.cause, ...counts(row) }, "period sealed");
      return answer(row);
    },

    /** Seals anew what could not be decided before, after a person said so; an emission that exists is never replaced. */
    async resealPeriod({ period, reason }: { period: Period; reason: Reason }): Promise<SealedPeriod> {
      const sealed = await sealOf(db, deps.recipients, deps.seal, period);
      const before = await positionOf(db, sealed.id);
      await db.transaction().execute(async (tx) => {
        if (!(await replaceBlockedSeal(tx, sealed)) || sealed.phase === "BLOCKED") return;
        await transition(tx, {
          checkpointId: sealed.id,
          from: "BLOCKED",
          to: "SEALED",
          attempt: before.attempt,
          ...asActor(reason),
        });
      });
      return answer((await checkpointById(db, sealed.id))!);
    },

    /** One step of the log; run again, it finds the step made. Returns where the checkpoint then stands. */
    async recordTransition(
      step: { id: string; from: CheckpointPhase; to: CheckpointPhase; attempt: number; txHash?: string } & Reason,
    ): Promise<CheckpointPosition> {
      const { id, from, to, attempt, txHash, actor, cause } = step;
      const made = await db
        .transaction()
        .execute((tx) =>
          transition(tx, { checkpointId: id, from, to, attempt, txHash: txHash ?? null, ...asActor({ actor, cause }) }),
        )
        .catch(failIllegal);
      if (made === "moved")
        log.info({ checkpoint: id, from, to, attempt, actor, cause, tx: txHash }, "checkpoint moved");
      return positionOf(db, id);
    },
  };
}
export type CheckpointActivities = ReturnType<typeof createCheckpointActivities>;

const counts = (row: CheckpointRow) => {
  const { snapshot_count, model_count } = row.meta_jsonb as unknown as CheckpointMeta;
  return { snapshots: snapshot_count, models: model_count };
};

const notReady = (type: string, message: string) =>
  ApplicationFailure.create({ type, message, nextRetryDelay: ASK_AGAIN });

/** No gap between periods, and no window of the period open or missing: windows tile the time since the competition began. */
async function requireReady(db: Database, { startMs, endMs }: Period): Promise<void> {
  const sealedUntil = await lastPeriodEnd(db);
  if (sealedUntil !== null && sealedUntil.getTime() < startMs)
    throw notReady("EarlierPeriodOpen", `the period before is sealed until ${sealedUntil.toISOString()} only`);
  const began = (await firstWindowStart(db))?.getTime() ?? Number.POSITIVE_INFINITY;
  let coveredMs = Math.max(startMs, began);
  for (const { start_at, end_at, status } of await windowsOf(db, startMs, endMs)) {
    if (status !== "COMMITTED" || start_at.getTime() > coveredMs) break;
    coveredMs = end_at.getTime();
  }
  if (coveredMs < endMs || began >= endMs)
    throw notReady(
      "WindowsNotCommitted",
      `scoring windows are committed until ${Number.isFinite(coveredMs) ? new Date(coveredMs).toISOString() : "never"}, the period ends ${new Date(endMs).toISOString()}`,
    );
}

const EXCLUSION_VIOLATION = "23P01";

/** After a change of the interval a period may overlap one that is sealed: it will never be. */
const refuseOverlap =
  ({ startMs, endMs }: Period) =>
  (error: unknown): never => {
    if ((error as { code?: string }).code !== EXCLUSION_VIOLATION) throw error;
    const span = `${new Date(startMs).toISOString()} to ${new Date(endMs).toISOString()}`;
    throw ApplicationFailure.nonRetryable(
      `the period ${span} overlaps a sealed one; its time is in that checkpoint`,
      "PeriodOverlap",
    );
  };
