import { type Selectable, sql } from "kysely";
import { inputId, roundId } from "../domain/ids.ts";
import {
  featureDue,
  TOURNAMENT_NEXT,
  type TournamentStatus,
  TRUTH_OPEN_MS,
  tournamentScopeKey,
} from "../domain/tournament.ts";
import type { Database, Queryable } from "./database.ts";
import { ensurePartitions } from "./partitions.ts";
import type { RoundRow } from "./rounds.ts";
import type { TournamentRounds } from "./schema.ts";

export type TournamentRow = Selectable<TournamentRounds>;

export interface NewTournament {
  id: string;
  competition: string;
  /** in the order of feature_index */
  features: readonly { data: Record<string, unknown>; hash: string }[];
  /** of all features: the same id with other features is another body */
  featuresHash: string;
  contract: { hash: string; body: unknown };
  createdMs: number;
  deadlineMs: number;
}

/**
 * Stores a tournament round with all its features, in one transaction: each feature is a round of its own, WAITING for a truth that has no
 * date, so that everything that is true of rounds (statuses, missing policy, scores, windows, voids) is true of it. These rows are the
 * outbox that the tournament's workflow is started from. Gives the row that is there, and whether this call made it.
 */
export async function createTournament(
  db: Database,
  given: NewTournament,
): Promise<{ row: TournamentRow; created: boolean }> {
  const last = featureDue(given.createdMs, given.features.length - 1);
  await ensurePartitions(db, "predictions", given.createdMs, last);
  await ensurePartitions(db, "scores", given.createdMs, last);
  return db.transaction().execute(async (tx) => {
    await tx
      .insertInto("contracts")
      .values({ hash: given.contract.hash, body_jsonb: JSON.stringify(given.contract.body) })
      .onConflict((c) => c.doNothing())
      .execute();
    const row = await tx
      .insertInto("tournament_rounds")
      .values({
        ...{ id: given.id, status: "OPEN", features_hash: given.featuresHash, feature_count: given.features.length },
        ...{ contract_hash: given.contract.hash, deadline_at: new Date(given.deadlineMs) },
        created_at: new Date(given.createdMs),
      })
      .onConflict((c) => c.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!row) return { row: (await tournamentById(tx, given.id))!, created: false };
    await insertFeatures(tx, given);
    return { row, created: true };
  });
}

async function insertFeatures(tx: Queryable, given: NewTournament): Promise<void> {
  const scopeKey = tournamentScopeKey(given.id);
  const rows = given.features.map(({ data, hash }, index) => {
    const dueMs = featureDue(given.createdMs, index);
    const id = roundId({ competition: given.competition, scopeKey, dueMs });
    const scope = { subject: given.id, feature_index: index };
    return { id, input: inputId(id), data, hash, scope, due: new Date(dueMs) };
  });
  const [deadline, open] = [new Date(given.deadlineMs), new Date(TRUTH_OPEN_MS)];
  await sql`
    with f as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as f(id text, input text, data jsonb, hash text, scope jsonb, due timestamptz)
    ), stored as (
      insert into inputs (id, raw_data_jsonb, hash) select input, data, hash from f
    )
    insert into rounds (id, scope_key, scope_jsonb, due_at, deadline_at, resolve_at, give_up_at, status, contract_hash, tournament_id)
    select id, ${scopeKey}, scope, due, ${deadline}::timestamptz, ${open}::timestamptz, ${open}::timestamptz, 'COLLECTING', ${given.contract.hash}, ${given.id}
    from f`.execute(tx);
}

export const tournamentById = (db: Queryable, id: string): Promise<TournamentRow | undefined> =>
  db.selectFrom("tournament_rounds").selectAll().where("id", "=", id).executeTakeFirst();

const STAMP: Partial<Record<TournamentStatus, "closed_at" | "scored_at" | "finished_at">> = {
  CLOSED: "closed_at",
  SCORED: "scored_at",
  FINAL: "finished_at",
};

/** Compare-and-set; false: it stood elsewhere, and nothing was changed. */
export async function moveTournament(
  db: Queryable,
  id: string,
  from: TournamentStatus,
  to: TournamentStatus,
): Promise<boolean> {
  if (!(TOURNAMENT_NEXT[from] as readonly string[]).includes(to))
    throw new TypeError(`a tournament round does not go from ${from} to ${to}`);
  const stamp = STAMP[to];
  const result = await db
    .updateTable("tournament_rounds")
    .set({ status: to, ...(stamp ? { [stamp]: sql`now()` } : {}) })
    .where("id", "=", id)
    .where("status", "=", from)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** A feature with the round that it is. */
export interface FeatureRow {
  round: RoundRow;
  index: number;
  features: Record<string, unknown>;
  hash: string;
}

/** The features of [from, to), whatever has become of them. */
export async function featuresOf(
  db: Queryable,
  tournament: TournamentRow,
  from: number,
  to: number,
): Promise<FeatureRow[]> {
  const createdMs = tournament.created_at.getTime();
  const rounds = await db
    .selectFrom("rounds")
    .selectAll()
    .where("tournament_id", "=", tournament.id)
    .where("due_at", ">=", new Date(featureDue(createdMs, from)))
    .where("due_at", "<", new Date(featureDue(createdMs, to)))
    .orderBy("due_at")
    .execute();
  const inputs = await db
    .selectFrom("inputs")
    .select(["id", "raw_data_jsonb", "hash"])
    .where("id", "in", ["", ...rounds.map((r) => inputId(r.id))])
    .execute();
  const inputOf = new Map(inputs.map((input) => [input.id, input]));
  return rounds.map((round) => {
    const input = inputOf.get(inputId(round.id))!;
    return { round, index: indexOf(tournament, round), features: input.raw_data_jsonb, hash: input.hash };
  });
}

const indexOf = (tournament: TournamentRow, round: { due_at: Date }): number =>
  round.due_at.getTime() - tournament.created_at.getTime();

/** The first feature that nobody has asked the models about; null: all are asked. */
export async function firstOpenFeature(db: Queryable, tournament: TournamentRow): Promise<number | null> {
  const row = await db
    .selectFrom("rounds")
    .select("due_at")
    .where("tournament_id", "=", tournament.id)
    .where("status", "=", "COLLECTING")
    .orderBy("due_at")
    .limit(1)
    .executeTakeFirst();
  return row ? indexOf(tournament, row) : null;
}

/** Ids of the features' rounds that have their truth and not their scores, in order of feature_index. */
export async function featuresToScore(db: Queryable, id: string): Promise<string[]> {
  const rows = await db
    .selectFrom("rounds")
    .select("id")
    .where("tournament_id", "=", id)
    .where("status", "=", "RESOLVED")
    .orderBy("due_at")
    .execute();
  return rows.map((row) => row.id);
}

interface BusyTournament {
  id: string;
  status: TournamentStatus;
  /** when the newest truth came that waits to be scored; null: none waits */
  truth_at: Date | null;
}

/** Tournament rounds that a workflow has something to do for, the oldest first. */
export async function busyTournaments(db: Queryable, limit: number): Promise<BusyTournament[]> {
  const { rows } = await sql<BusyTournament>`
    with resolved as (
      select tournament_id as id, max(resolve_at) as truth_at from rounds where tournament_id is not null and status = 'RESOLVED' group by 1
    )
    select t.id, t.status, r.truth_at
    from tournament_rounds t left join resolved r using (id)
    where t.status in ('OPEN', 'INFERRING', 'SCORED') or r.id is not null
    order by t.created_at limit ${limit}`.execute(db);
  return rows;
}

export interface TournamentCounts {
  model_count: number;
  prediction_count: number;
  truth_count: number;
  scores_count: number;
  /** features whose round can still change */
  open_count: number;
  /** scores that no window has counted */
  uncounted: number;
}

export async function tournamentCounts(db: Queryable, tournament: TournamentRow): Promise<TournamentCounts> {
  const from = tournament.created_at;
  const to = new Date(featureDue(from.getTime(), tournament.feature_count));
  const { rows } = await sql<TournamentCounts>`
    with own as (select id, due_at, status from rounds where tournament_id = ${tournament.id}),
    answers as (
      select count(distinct p.model_id)::int as model_count, count(*)::int as prediction_count
      from own r join predictions p on p.round_id = r.id and p.due_at = r.due_at where p.due_at >= ${from} and p.due_at < ${to}
    ), scored as (
      select count(*)::int as scores_count, count(*) filter (where s.window_end is null)::int as uncounted
      from own r join scores s on s.round_id = r.id and s.due_at = r.due_at and s.current where s.due_at >= ${from} and s.due_at < ${to}
    )
    select answers.*, scored.*, (select count(*)::int from own join truths t on t.round_id = own.id) as truth_count,
      (select count(*)::int from own where status in ('COLLECTING', 'WAITING', 'RESOLVED')) as open_count
    from answers, scored`.execute(db);
  return rows[0]!;
}
