import type { Selectable } from "kysely";
import { sql } from "kysely";
import { type CollectCounts, ROUND_NEXT, type RoundStatus } from "../domain/round.ts";
import type { Queryable } from "./database.ts";
import type { Rounds } from "./schema.ts";

export type RoundRow = Selectable<Rounds>;

export interface NewRound {
  id: string;
  scopeKey: string;
  scope: Record<string, unknown>;
  dueMs: number;
  deadlineMs: number;
  resolveAtMs: number;
  giveUpAtMs: number;
  contractHash: string;
  /** MISSED: nobody was called; the reason says why */
  status: "COLLECTING" | "MISSED";
  reason?: string;
  /** ids of the models that it calls; absent or null: everybody */
  callees?: readonly string[] | null;
}

/** Writes the row that is the round's outbox; false: the due time has a row already. */
export async function insertRound(db: Queryable, round: NewRound): Promise<boolean> {
  const result = await db
    .insertInto("rounds")
    .values({
      id: round.id,
      scope_key: round.scopeKey,
      scope_jsonb: JSON.stringify(round.scope),
      due_at: new Date(round.dueMs),
      deadline_at: new Date(round.deadlineMs),
      resolve_at: new Date(round.resolveAtMs),
      give_up_at: new Date(round.giveUpAtMs),
      status: round.status,
      reason: round.reason ?? null,
      contract_hash: round.contractHash,
      callees_jsonb: round.callees ? JSON.stringify(round.callees) : null,
      finished_at: round.status === "MISSED" ? new Date() : null,
    })
    .onConflict((c) => c.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export const roundById = (db: Queryable, id: string): Promise<RoundRow | undefined> =>
  db.selectFrom("rounds").selectAll().where("id", "=", id).executeTakeFirst();

/** In the order of the ids; undefined: there is none. */
export async function roundsById(db: Queryable, ids: readonly string[]): Promise<(RoundRow | undefined)[]> {
  const { rows } = await sql<RoundRow>`select * from rounds where id = any(${[...ids]}::text[])`.execute(db);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}

export interface RoundChange {
  reason?: string;
  counts?: CollectCounts;
  inputId?: string;
}

const STAMP: Partial<Record<RoundStatus, "collected_at" | "finished_at">> = {
  WAITING: "collected_at",
  SCORED: "finished_at",
  MISSED: "finished_at",
  UNRESOLVABLE: "finished_at",
  VOIDED: "finished_at",
};

/** Compare-and-set: moves a round only from the status that was seen; false: somebody else moved it. Throws where the table forbids the step. */
export async function moveRound(
  db: Queryable,
  id: string,
  from: RoundStatus,
  to: RoundStatus,
  change: RoundChange = {},
): Promise<boolean> {
  if (!(ROUND_NEXT[from] as readonly string[]).includes(to))
    throw new TypeError(`a round does not go from ${from} to ${to}`);
  const stamp = STAMP[to];
  const result = await db
    .updateTable("rounds")
    .set({
      status: to,
      ...(change.reason === undefined ? {} : { reason: change.reason }),
      ...(change.counts === undefined ? {} : { counts_jsonb: JSON.stringify(change.counts) }),
      ...(change.inputId === undefined ? {} : { input_id: change.inputId }),
      ...(stamp ? { [stamp]: sql`now()` } : {}),
    })
    .where("id", "=", id)
    .where("status", "=", from)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Rounds of the schedule whose work is not done, the oldest first; those of a tournament belong to its own workflow. */
export const openRounds = (db: Queryable, limit: number): Promise<RoundRow[]> =>
  db
    .selectFrom("rounds")
    .selectAll()
    .where("status", "in", ["COLLECTING", "WAITING", "RESOLVED"])
    .where("tournament_id", "is", null)
    .orderBy("resolve_at")
    .limit(limit)
    .execute();

/** How many rounds should have been scored by now and are not. */
export async function overdueRounds(db: Queryable, dueBeforeMs: number): Promise<number> {
  const row = await db
    .selectFrom("rounds")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("status", "in", ["COLLECTING", "WAITING", "RESOLVED"])
    .where("resolve_at", "<", new Date(dueBeforeMs))
    .executeTakeFirst();
  return row?.count ?? 0;
}

/** Due times of a scope in [fromMs, toMs] that have no row, ascending. */
export async function dueTimesWithoutRow(
  db: Queryable,
  scopeKey: string,
  cadence: { fromMs: number; toMs: number; everyMs: number },
  limit: number,
): Promise<number[]> {
  if (cadence.fromMs > cadence.toMs) return [];
  const { rows } = await sql<{ due: Date }>`
    select due from generate_series(${new Date(cadence.fromMs)}::timestamptz, ${new Date(cadence.toMs)}::timestamptz, ${`${cadence.everyMs} milliseconds`}::interval) due
    where not exists (select 1 from rounds where scope_key = ${scopeKey} and due_at = due)
    order by due limit ${limit}`.execute(db);
  return rows.map((row) => row.due.getTime());
}

/** The first and the last due time of a scope that has a row; null: it never had a round. */
export async function roundSpan(db: Queryable, scopeKey: string): Promise<{ firstMs: number; lastMs: number } | null> {
  const row = await db
    .selectFrom("rounds")
    .select([sql<Date | null>`min(due_at)`.as("first"), sql<Date | null>`max(due_at)`.as("last")])
    .where("scope_key", "=", scopeKey)
    .executeTakeFirst();
  return row?.first && row.last ? { firstMs: row.first.getTime(), lastMs: row.last.getTime() } : null;
}

/** When the first round of the whole competition was due, epoch ms; null: none yet. */
export async function competitionStart(db: Queryable): Promise<number | null> {
  const row = await db.selectFrom("rounds").select("due_at").orderBy("due_at").limit(1).executeTakeFirst();
  return row ? row.due_at.getTime() : null;
}

/** The contract a node runs under and the scopes it schedules, each kept under its key. */
export async function recordContract(
  db: Queryable,
  contract: { hash: string; body: unknown; scopes: readonly ScopeRow[] },
): Promise<void> {
  await db
    .insertInto("contracts")
    .values({ hash: contract.hash, body_jsonb: JSON.stringify(contract.body) })
    .onConflict((c) => c.doNothing())
    .execute();
  for (const [order, scope] of contract.scopes.entries()) await recordScope(db, scope, order);
}

/** How many rounds are open that began under another contract. */
export async function openRoundsOfOthers(db: Queryable, contractHash: string): Promise<number> {
  const row = await db
    .selectFrom("rounds")
    .select(sql<number>`count(*)::int`.as("count"))
    .where("status", "in", ["COLLECTING", "WAITING", "RESOLVED"])
    .where("contract_hash", "!=", contractHash)
    .executeTakeFirst();
  return row?.count ?? 0;
}

export interface ScopeRow {
  scopeKey: string;
  scope: Record<string, unknown>;
  everyMs: number;
  resolveAfterMs: number;
}

async function recordScope(db: Queryable, scope: ScopeRow, order: number): Promise<void> {
  const schedule = {
    prediction_interval_seconds: scope.everyMs / 1_000,
    resolve_horizon_seconds: scope.resolveAfterMs / 1_000,
  };
  const columns = {
    scope_template_jsonb: JSON.stringify(scope.scope),
    schedule_jsonb: JSON.stringify(schedule),
    order,
    active: true,
  };
  await db
    .insertInto("scheduled_prediction_configs")
    .values({ id: `CFG_${scope.scopeKey}`, scope_key: scope.scopeKey, ...columns })
    .onConflict((c) => c.column("id").doUpdateSet(columns))
    .execute();
}

export interface RoundFilter {
  status?: RoundStatus | undefined;
  scopeKey?: string | undefined;
  /** due times, half-open */
  since?: Date | undefined;
  until?: Date | undefined;
  limit: number;
}

/** Newest first by due time. */
export function listRounds(db: Queryable, filter: RoundFilter): Promise<RoundRow[]> {
  let query = db.selectFrom("rounds").selectAll().orderBy("due_at", "desc").orderBy("scope_key").limit(filter.limit);
  if (filter.status) query = query.where("status", "=", filter.status);
  if (filter.scopeKey) query = query.where("scope_key", "=", filter.scopeKey);
  if (filter.since) query = query.where("due_at", ">=", filter.since);
  if (filter.until) query = query.where("due_at", "<", filter.until);
  return query.execute();
}
