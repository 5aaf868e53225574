import { sql } from "kysely";
import type { CountedSnapshot } from "../domain/period-means.ts";
import type { Queryable } from "./database.ts";

export const firstWindowStart = async (db: Queryable): Promise<Date | null> =>
  (
    await db
      .selectFrom("scoring_windows")
      .select((eb) => eb.fn.min("start_at").as("start"))
      .executeTakeFirst()
  )?.start ?? null;

export interface WindowCoverage {
  /** how much of the time scoring windows have, ms; one that reaches beyond the end has its part of it */
  coveredMs: number;
  /** end of the first window that ends in the time and is not committed */
  firstOpenEnd: Date | null;
}

/** How far the time (fromMs, endMs] has been cut into scoring windows and these are committed. Windows never overlap: the schema refuses it. */
export async function windowCoverage(db: Queryable, fromMs: number, endMs: number): Promise<WindowCoverage> {
  const [from, end] = [new Date(fromMs), new Date(endMs)];
  const { rows } = await sql<{ covered_ms: number; first_open: Date | null }>`
    select coalesce(sum(extract(epoch from least(end_at, ${end}) - greatest(start_at, ${from}))) * 1000, 0)::float8 as covered_ms,
      min(end_at) filter (where status <> 'COMMITTED' and end_at <= ${end}) as first_open
    from scoring_windows where end_at > ${from} and start_at < ${end}`.execute(db);
  return { coveredMs: Math.round(rows[0]!.covered_ms), firstOpenEnd: rows[0]!.first_open };
}

interface PaidModel {
  model_id: string;
  model_name: string;
  cruncher_id: string;
  cruncher_name: string;
}

/** Every model that may be paid, by id: no virtual ones. */
async function paidModels(db: Queryable): Promise<ReadonlyMap<string, PaidModel>> {
  const rows = await db
    .selectFrom("models")
    .select(["id as model_id", "name as model_name", "player_id as cruncher_id", "player_name as cruncher_name"])
    .where("virtual", "=", false)
    .execute();
  return new Map(rows.map((row) => [row.model_id, row]));
}

/** Rows of one page: some megabytes, however many there are. */
const PAGE = 2_000;

/**
 * The snapshots that the windows ending in (start, end] committed, without virtual models, in pages in order of (window end, id). A window
 * belongs to the period in which it ends, and a correction to the one in which it was made.
 */
export async function* snapshotsOfPeriod(
  db: Queryable,
  startMs: number,
  endMs: number,
  pageSize = PAGE,
): AsyncGenerator<CountedSnapshot[]> {
  const models = await paidModels(db);
  let after: Position = { window_end_ms: startMs, id: LAST };
  for (;;) {
    const page = await snapshotPage(db, { startMs, endMs, after, limit: pageSize });
    const corrected = page.flatMap((row) => row.supersedes ?? []);
    const superseded = await summariesOf(db, corrected);
    yield page.flatMap(({ model_id, supersedes, prediction_count, result_summary, of_earlier_period }) => {
      const model = models.get(model_id);
      if (!model) return [];
      const before = supersedes === null ? null : superseded.get(supersedes)!;
      return [{ ...model, prediction_count, result_summary, of_earlier_period, superseded: before }];
    });
    if (page.length < pageSize) return;
    after = page.at(-1)!;
  }
}
/** Behind every id: a window that ends where the period begins belongs to the one before. */
const LAST = "\u{10ffff}";

interface Position {
  window_end_ms: number;
  id: string;
}
type PageRow = Position &
  Omit<CountedSnapshot, keyof PaidModel | "superseded"> & { model_id: string; supersedes: string | null };

/** Times as numbers: a million dates are seconds of parsing. */
async function snapshotPage(
  db: Queryable,
  { startMs, endMs, after, limit }: { startMs: number; endMs: number; after: Position; limit: number },
): Promise<PageRow[]> {
  const from = new Date(after.window_end_ms);
  const { rows } = await sql<PageRow>`
    select id, (extract(epoch from window_end) * 1000)::float8 as window_end_ms, model_id, prediction_count, result_summary_jsonb as result_summary,
      supersedes, period_end <= ${new Date(startMs)} as of_earlier_period
    from snapshots
    where (window_end, id collate "C") > (${from}, ${after.id}) and window_end >= ${from} and window_end <= ${new Date(endMs)}
    order by window_end, id collate "C" limit ${limit}`.execute(db);
  return rows;
}

type Summary = NonNullable<CountedSnapshot["superseded"]>;

async function summariesOf(db: Queryable, ids: readonly string[]): Promise<ReadonlyMap<string, Summary>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("snapshots")
    .select(["id", "prediction_count", "result_summary_jsonb as result_summary"])
    .where(sql<boolean>`id = any(${ids})`)
    .execute();
  return new Map(rows.map(({ id, ...summary }) => [id, summary]));
}

/** Hashes of the contracts that rounds began under whose scores the period's snapshots hold, sorted. */
export async function contractHashesOfPeriod(db: Queryable, startMs: number, endMs: number): Promise<string[]> {
  const [start, end] = [new Date(startMs), new Date(endMs)];
  const { rows } = await sql<{ contract_hash: string }>`
    with held as (
      select start_at, end_at from scoring_windows where end_at > ${start} and end_at <= ${end}
      union
      select period_start, period_end from snapshots where window_end > ${start} and window_end <= ${end} and period_end <= ${start}
    ), stretch as (select min(start_at) as first, max(end_at) as last from held where end_at > ${start})
    select * from (
      select contract_hash from rounds, stretch where resolve_at >= first and resolve_at < last
      union
      select r.contract_hash from held join rounds r on r.resolve_at >= held.start_at and r.resolve_at < held.end_at where held.end_at <= ${start}
    ) named order by contract_hash collate "C"`.execute(db);
  return rows.map((row) => row.contract_hash);
}

/** Every cruncher the node has seen, in order of registration. */
export async function crunchersInOrder(db: Queryable): Promise<{ id: string; name: string }[]> {
  const rows = await db
    .selectFrom("models")
    .select(["player_id as id"])
    .select((eb) => [eb.fn.min("player_name").as("name"), eb.fn.min("created_at").as("since")])
    .where("virtual", "=", false)
    .groupBy("player_id")
    .orderBy("since")
    .orderBy("player_id")
    .execute();
  return rows.map(({ id, name }) => ({ id, name }));
}
