import { sql } from "kysely";
import { lastDue } from "../domain/schedule.ts";
import type { Database, Queryable } from "./database.ts";
import { roundSpan } from "./rounds.ts";

/** What a scope must say of itself to be scheduled; competitions say more, and all of it is kept. */
export interface ScheduleOfScope {
  scopeKey: string;
  everyMs: number;
  phaseMs?: number;
}

/** A cadence and the stretch in which it held; `until_at` null: it holds now. */
export interface HeldSchedule<S> {
  scope_key: string;
  from_at: Date;
  until_at: Date | null;
  schedule_jsonb: S;
  contract_hash: string;
}

/**
 * Writes down which cadences hold from now on. A scope whose interval or phase is another begins anew: due times of the new cadence that
 * lie before this instant were never anybody's duty, those of the old one stay so until this instant. A scope that is listed no more ends.
 */
export async function recordSchedules(
  db: Database,
  contractHash: string,
  scopes: readonly ScheduleOfScope[],
  nowMs: number,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext('scope_schedules'))`.execute(tx); // several roles start at once
    const held = await tx.selectFrom("scope_schedules").selectAll().where("until_at", "is", null).execute();
    const keys = new Set(scopes.map((s) => s.scopeKey));
    for (const { scope_key } of held.filter((h) => !keys.has(h.scope_key))) {
      await endSchedule(tx, scope_key, nowMs);
      await tx
        .updateTable("scheduled_prediction_configs")
        .set({ active: false })
        .where("scope_key", "=", scope_key)
        .execute();
    }
    for (const scope of scopes) {
      const before = held.find((h) => h.scope_key === scope.scopeKey);
      if (before && isSame(scope, before.schedule_jsonb as unknown as ScheduleOfScope)) {
        await tx
          .updateTable("scope_schedules")
          .set({ schedule_jsonb: JSON.stringify(scope), contract_hash: contractHash })
          .where("scope_key", "=", scope.scopeKey)
          .where("until_at", "is", null)
          .execute();
        continue;
      }
      if (before) await endSchedule(tx, scope.scopeKey, nowMs);
      await tx
        .insertInto("scope_schedules")
        .values({
          scope_key: scope.scopeKey,
          from_at: new Date(before ? nowMs : await heldSince(tx, scope, nowMs)),
          until_at: null,
          schedule_jsonb: JSON.stringify(scope),
          contract_hash: contractHash,
        })
        .onConflict((c) =>
          c.columns(["scope_key", "from_at"]).doUpdateSet({ schedule_jsonb: JSON.stringify(scope), until_at: null }),
        )
        .execute();
    }
  });
}

const isSame = (a: ScheduleOfScope, b: ScheduleOfScope): boolean =>
  a.everyMs === b.everyMs && (a.phaseMs ?? 0) === (b.phaseMs ?? 0);

/** Rounds from before schedules were kept belong to this cadence where they lie on it. */
async function heldSince(tx: Queryable, scope: ScheduleOfScope, nowMs: number): Promise<number> {
  const span = await roundSpan(tx, scope.scopeKey);
  return span && lastDue(scope, span.lastMs) === span.lastMs ? span.firstMs : nowMs;
}

async function endSchedule(tx: Queryable, scopeKey: string, nowMs: number): Promise<void> {
  await tx
    .updateTable("scope_schedules")
    .set({ until_at: sql`greatest(from_at, ${new Date(nowMs)}::timestamptz)` })
    .where("scope_key", "=", scopeKey)
    .where("until_at", "is", null)
    .execute();
}

/** Cadences that held at any time since an instant. */
export const schedulesSince = async <S extends ScheduleOfScope>(
  db: Queryable,
  sinceMs: number,
): Promise<HeldSchedule<S>[]> =>
  (await db
    .selectFrom("scope_schedules")
    .selectAll()
    .where((eb) => eb.or([eb("until_at", "is", null), eb("until_at", ">", new Date(sinceMs))]))
    .orderBy("scope_key")
    .orderBy("from_at")
    .execute()) as unknown as HeldSchedule<S>[];

/** Since when the present cadence of a scope holds, epoch ms; null: it is not scheduled. */
export async function scheduledSince(db: Queryable, scopeKey: string): Promise<number | null> {
  const row = await db
    .selectFrom("scope_schedules")
    .select("from_at")
    .where("scope_key", "=", scopeKey)
    .where("until_at", "is", null)
    .executeTakeFirst();
  return row ? row.from_at.getTime() : null;
}
