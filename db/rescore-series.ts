import { sql, type Transaction } from "kysely";
import type { SeriesSum } from "../domain/rescore.ts";
import type { Database, Queryable } from "./database.ts";
import { auditRescore, type RescoreRow } from "./rescore.ts";
import type { Schema } from "./schema.ts";

/** A range may hold a million scores. */
const PATIENCE = sql`set local statement_timeout = '4min'`;

/** Each score of the range that counts (o), with the one that the job's scorer gave beside it (n), where it did. */
const series = ({ from_at, to_at, scorer_hash }: RescoreRow) => sql`
  rounds r
  join scores o on o.round_id = r.id and o.due_at = r.due_at and o.current and o.due_at >= ${from_at} and o.due_at < ${to_at}
  left join scores n on n.round_id = r.id and n.due_at = r.due_at and n.model_id = o.model_id and n.scorer_hash = ${scorer_hash}
    and not n.current and n.due_at >= ${from_at} and n.due_at < ${to_at}
  where r.status = 'SCORED' and r.due_at >= ${from_at} and r.due_at < ${to_at}`;

/** A score stands in a checkpoint where the window that holds it does. */
const sealing = sql`c.phase <> 'VOID' and o.window_end > c.period_start and o.window_end <= c.period_end`;

/** Sums of both series by model and scope. In decimals, as the boards add up: the same whatever the order. */
async function seriesSums(tx: Queryable, job: RescoreRow): Promise<SeriesSum[]> {
  const sum = (value: string) => sql`coalesce(sum(${sql.ref(value)}::text::numeric), 0)::float8`;
  const { rows } = await sql<SeriesSum>`
    with pairs as (
      select o.model_id, r.scope_key, o.value as v0, o.success as s0,
        case when n.round_id is null then o.value else n.value end as v1, case when n.round_id is null then o.success else n.success end as s1
      from ${series(job)}
    )
    select model_id, scope_key, count(*)::int as asked, count(*) filter (where v0 is distinct from v1)::int as changed,
      jsonb_build_object('sum', ${sum("v0")}, 'count', count(v0), 'answered', count(*) filter (where s0)) as before,
      jsonb_build_object('sum', ${sum("v1")}, 'count', count(v1), 'answered', count(*) filter (where s1)) as after
    from pairs group by model_id, scope_key order by model_id, scope_key`.execute(tx);
  return rows;
}

interface Replaceable {
  replaceable: number;
  sealed: number;
  checkpoints: string[];
}

/** How many scores an adoption would replace, and which of them checkpoints have sealed. */
async function replaceableScores(tx: Queryable, job: RescoreRow): Promise<Replaceable> {
  const { rows } = await sql<Replaceable>`
    with held as (
      select o.window_end, count(*) as n from ${series(job)} and n.round_id is not null group by o.window_end
    ), sealed as (
      select c.id, sum(o.n) as n from held o join checkpoints c on ${sealing} group by c.id
    )
    select coalesce((select sum(n) from held), 0)::int as replaceable, coalesce((select sum(n) from sealed), 0)::int as sealed,
      coalesce((select array_agg(id order by id) from sealed), '{}') as checkpoints`.execute(tx);
  return rows[0]!;
}

/** Reads both series as they stand at one instant. */
export const readSeries = (db: Database, job: RescoreRow): Promise<{ sums: SeriesSum[]; replaceable: Replaceable }> =>
  db
    .transaction()
    .setIsolationLevel("repeatable read")
    .execute(async (tx) => {
      await PATIENCE.execute(tx);
      return { sums: await seriesSums(tx, job), replaceable: await replaceableScores(tx, job) };
    });

export type Adoption = { adopted: number; sealed: number } | { nothing: string };

/**
 * Makes the job's scores those that count, in one transaction; what a checkpoint has sealed stays. The scores that gave way are taken back by the
 * next scoring window, which writes the corrections. Null: the job is not ready, or nobody asked.
 */
export const adoptSeries = (db: Database, id: string): Promise<Adoption | null> =>
  db.transaction().execute(async (tx) => {
    await PATIENCE.execute(tx);
    const job = await tx
      .selectFrom("rescore_jobs")
      .selectAll()
      .where("id", "=", id)
      .where("status", "=", "ready")
      .where("adopt_actor", "is not", null)
      .forUpdate()
      .executeTakeFirst();
    if (!job) return null;
    const { replaceable, sealed, checkpoints } = await replaceableScores(tx, job);
    if (replaceable === sealed) return refuse(tx, job, whyNothing(sealed, checkpoints));
    const adopted = await swap(tx, job);
    await settlePredictions(tx, job);
    const counts = { adopted, sealed };
    await sql`
      update rescore_jobs set status = 'adopted', adopted_at = now(), updated_at = now(), counts_jsonb = counts_jsonb || ${JSON.stringify(counts)}::jsonb
      where id = ${id}`.execute(tx);
    await auditRescore(tx, "rescore.adopt", id, job.adopt_actor!, {
      ...{ from: job.from_at, to: job.to_at, scorer_hash: job.scorer_hash, reason: job.adopt_reason },
      ...{ ...counts, checkpoints },
    });
    return counts;
  });

const whyNothing = (sealed: number, checkpoints: readonly string[]): string =>
  sealed === 0
    ? "nothing to adopt: the scores that count are this scorer's already, or there are none"
    : `nothing to adopt: all ${sealed} scores stand in sealed checkpoints (${checkpoints.join(", ")})`;

async function refuse(tx: Queryable, job: RescoreRow, error: string): Promise<Adoption> {
  await sql`update rescore_jobs set error = ${error}, adopt_actor = null, adopt_reason = null, updated_at = now() where id = ${job.id}`.execute(
    tx,
  );
  await auditRescore(tx, "rescore.adopt", job.id, job.adopt_actor!, { reason: job.adopt_reason, refused: error });
  return { nothing: error };
}

/** First the old ones step back, each looked at again under its lock, then the new ones of those take their places. */
async function swap(tx: Transaction<Schema>, job: RescoreRow): Promise<number> {
  await sql`create temp table swapped (round_id text, model_id text, due_at timestamptz, counted boolean) on commit drop`.execute(
    tx,
  );
  await sql`
    with pair as (
      select o.round_id, o.model_id, o.due_at, o.scorer_hash from ${series(job)} and n.round_id is not null
        and not exists (select from checkpoints c where ${sealing})
    ), gone as (
      update scores s set current = false from pair p
      where s.round_id = p.round_id and s.model_id = p.model_id and s.due_at = p.due_at and s.scorer_hash = p.scorer_hash and s.current
      returning s.round_id, s.model_id, s.due_at, s.window_end is not null or s.counted_before as counted
    )
    insert into swapped select * from gone`.execute(tx);
  await sql`analyze swapped`.execute(tx);
  const { numAffectedRows } = await sql`
    update scores n set current = true, window_end = null, counted_before = w.counted from swapped w
    where n.round_id = w.round_id and n.model_id = w.model_id and n.due_at = w.due_at and n.scorer_hash = ${job.scorer_hash}`.execute(
    tx,
  );
  return Number(numAffectedRows ?? 0n);
}

/** Predictions whose answer the one scorer took and the other refuses. */
async function settlePredictions(tx: Queryable, { scorer_hash, adopt_actor, id }: RescoreRow): Promise<void> {
  const swapped = sql`
    swapped w join scores n on n.round_id = w.round_id and n.model_id = w.model_id and n.due_at = w.due_at and n.scorer_hash = ${scorer_hash}`;
  const refused = sql`not n.success and n.result_jsonb->>'missing' = 'FAILED'`;
  const theirs = sql`p.round_id = n.round_id and p.model_id = n.model_id and p.due_at = n.due_at and p.inference_output_jsonb is not null`;
  await sql`
    with fallen as (
      update predictions p set status = 'FAILED', reason = 'the scorer refused it: ' || n.failed_reason from ${swapped}
      where ${theirs} and p.status = 'SCORED' and ${refused} returning p.id, p.round_id, p.model_id, n.failed_reason
    )
    insert into dead_letters (prediction_id, round_id, model_id, stage, error, attempts)
    select id, round_id, model_id, 'score', failed_reason, 3 from fallen
    on conflict (prediction_id) do update set status = 'OPEN', error = excluded.error, attempts = dead_letters.attempts + 3,
      actor = null, reason = null, settled_at = null`.execute(tx);
  await sql`
    with risen as (
      update predictions p set status = 'SCORED', reason = null from ${swapped}
      where ${theirs} and p.status = 'FAILED' and not (${refused}) returning p.id
    )
    update dead_letters d set status = 'RETRIED', actor = ${adopt_actor}, reason = ${`rescore/${id}`}, settled_at = now()
    from risen where d.prediction_id = risen.id and d.status in ('OPEN','RETRYING')`.execute(tx);
}
