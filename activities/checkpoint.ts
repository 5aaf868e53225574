import type { Logger } from "pino";
import type { Recipients } from "../chain/recipients.ts";
import {
  type CheckpointRow,
  checkpointByEnd,
  checkpointById,
  insertSealed,
  replaceBlockedSeal,
  transition,
} from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import type { CheckpointPhase, CheckpointPosition, Reason } from "../domain/checkpoint.ts";
import type { Period } from "../domain/period.ts";
import { logCheckpoint } from "./checkpoint-log.ts";
import { asActor, failIllegal, positionOf } from "./checkpoint-steps.ts";
import { emissionTable } from "./emission-table.ts";
import { type CheckpointMeta, type SealSettings, sealOf } from "./seal.ts";
import { isOverlap, refuseOverlap, requireReady } from "./seal-readiness.ts";

export interface CheckpointDeps {
  db: Database;
  log: Logger;
  recipients: Recipients;
  seal: SealSettings;
  /** where people reach the node's page and API; no slash at the end */
  publicUrl: string;
}

export interface SealedPeriod extends CheckpointPosition {
  /** the emission as Markdown */
  table: string;
}

export function createCheckpointActivities(deps: CheckpointDeps) {
  const { db, log } = deps;
  const answer = async (row: CheckpointRow): Promise<SealedPeriod> => ({
    ...(await positionOf(db, row.id)),
    table: emissionTable(row, deps.publicUrl),
  });
  const seal = async (period: Period): Promise<CheckpointRow> => {
    await requireReady(db, period);
    const sealed = await sealOf(db, deps.recipients, deps.seal, period);
    const by = asActor({ actor: "node", cause: sealed.cause ?? "period sealed" });
    const row = await db
      .transaction()
      .execute(async (tx) => {
        const row = await insertSealed(tx, sealed, by);
        const isThis = row.emission_hash === sealed.emissionHash; // not what another seal of the same period made
        if (sealed.record && isThis) await logCheckpoint(tx, sealed.record);
        return row;
      })
      .catch(refuseOverlap(period));
    log.info({ checkpoint: row.id, phase: row.phase, cause: row.cause, ...counts(row) }, "period sealed");
    return row;
  };
  return {
    /**
     * The checkpoint of a period: the one that is there, or a new one, sealed in one transaction. Retries by itself until every scoring window of
     * the period is committed and the period before is sealed.
     */
    async sealPeriod(period: Period): Promise<SealedPeriod> {
      const existing = await checkpointByEnd(db, period.endMs);
      if (existing) return answer(existing);
      try {
        return await answer(await seal(period));
      } catch (error) {
        const faster = isOverlap(error) && (await checkpointByEnd(db, period.endMs)); // another seal of this very period
        if (!faster) throw error;
        return answer(faster);
      }
    },

    /** Seals anew what could not be decided before, after a person said so; an emission that exists is never replaced. */
    async resealPeriod({ id, reason }: { id: string; reason: Reason }): Promise<SealedPeriod> {
      const before = await positionOf(db, id);
      const { period_start, period_end } = (await checkpointById(db, id))!;
      const period = { startMs: period_start.getTime(), endMs: period_end.getTime() };
      const sealed = await sealOf(db, deps.recipients, deps.seal, period);
      await db.transaction().execute(async (tx) => {
        if (!(await replaceBlockedSeal(tx, sealed)) || sealed.phase === "BLOCKED") return;
        await transition(tx, {
          checkpointId: sealed.id,
          from: "BLOCKED",
          to: "SEALED",
          attempt: before.attempt,
          ...asActor(reason),
        });
        await logCheckpoint(tx, sealed.record!);
      });
      return answer((await checkpointById(db, sealed.id))!);
    },

    /** One step of the log; run again, it finds the step made. Returns where the checkpoint then stands. */
    async recordTransition(
      step: { id: string; from: CheckpointPhase; to: CheckpointPhase; attempt: number; txHash?: string } & Reason,
    ): Promise<CheckpointPosition> {
      const { id, from, to, attempt, txHash, actor, cause, decision } = step;
      const made = await db
        .transaction()
        .execute((tx) =>
          transition(tx, {
            checkpointId: id,
            from,
            to,
            attempt,
            txHash: txHash ?? null,
            ...asActor({ actor, cause, ...(decision ? { decision } : {}) }),
          }),
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
