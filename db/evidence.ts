import { type RawBuilder, sql, type Transaction } from "kysely";
import type { Database, Queryable } from "./database.ts";
import type { Schema } from "./schema.ts";

/** What a checkpoint covers, as instants. */
export interface EvidencePeriod {
  start: Date;
  end: Date;
}

/** Rows of a cursor that are held at once: rounds are long lines, snapshots short ones. */
const ROUNDS_AT_ONCE = 8;
const SNAPSHOTS_AT_ONCE = 2_000;

/** Everything is read as it stood at one instant, whatever windows commit meanwhile. */
export const readEvidence = <T>(db: Database, read: (tx: Transaction<Schema>) => Promise<T>): Promise<T> =>
  db
    .transaction()
    .setIsolationLevel("repeatable read")
    .execute(async (tx) => {
      await sql`set local statement_timeout = '5min'`.execute(tx);
      await sql`set local idle_in_transaction_session_timeout = '5min'`.execute(tx);
      return read(tx);
    });

const inPeriod = (column: RawBuilder<unknown>, { start, end }: EvidencePeriod) =>
  sql<boolean>`(${column} > ${start} and ${column} <= ${end})`;

/**
 * Notes which of the period's snapshots have revisions, made in it or since: their scores are found by leaf hash, all others' by model and window.
 * Only those of the period's own revisions (`in_period`) name the hashes: a bundle says the same whenever it is written. Call first.
 * `corrected`: whether there is any.
 */
export async function noteRevisions(tx: Queryable, period: EvidencePeriod): Promise<{ corrected: boolean }> {
  await sql`
    create temp table evidence_revised on commit drop as
    select s.id, s.model_id, s.period_start, s.period_end, s.leaf_hashes,
      s.revision > 0 or exists (select from snapshots o where o.supersedes = s.id and o.window_end <= ${period.end}) as in_period
    from snapshots s
    where ${inPeriod(sql`s.window_end`, period)} and (s.revision > 0 or exists (
      select from snapshots o where o.model_id = s.model_id and o.period_end = s.period_end and o.revision > s.revision))`.execute(
    tx,
  );
  await sql`
    create temp table evidence_leaves on commit drop as
    select distinct substring(r.leaf_hashes from 32 * i + 1 for 32) as leaf
    from evidence_revised r, generate_series(0, octet_length(r.leaf_hashes) / 32 - 1) i`.execute(tx);
  await sql`analyze evidence_revised`.execute(tx);
  await sql`analyze evidence_leaves`.execute(tx);
  const { rows } = await sql<{ corrected: boolean }>`select exists (select from evidence_revised) as corrected`.execute(
    tx,
  );
  return rows[0]!;
}

/** What the model did; scoring and later decisions do not change it (proofs/from-rows.ts says the same of rows). */
const SAID = sql`
  case when nullif(p.inference_output_jsonb, 'null') is not null
      then json_build_object('output', p.inference_output_jsonb, 'reason', null, 'status', 'PENDING')
    when p.status <> 'VOIDED' then json_build_object('output', null, 'reason', public_reason(p.reason), 'status', p.status)
    else json_build_object('output', null, 'reason', public_reason(nullif(s.failed_reason, s.result_jsonb->>'missing')), 'status', s.result_jsonb->>'missing') end`;

const ENTRY = sql`
  json_build_object('deployment_id', s.deployment_id, 'model_id', s.model_id, 'prediction', ${SAID}, 'score',
    json_build_object('failed_reason', public_reason(s.failed_reason), 'result', s.result_jsonb, 'success', s.success, 'value', s.value),
    'scorer_hash', s.scorer_hash)`;

const iso = (column: RawBuilder<unknown>) =>
  sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const RECORD = sql`
  json_build_object('contract_hash', r.contract_hash, 'due_at', ${iso(sql`r.due_at`)}, 'id', r.id, 'input_hash', i.hash,
    'resolve_at', ${iso(sql`r.resolve_at`)}, 'scope', r.scope_jsonb, 'scope_key', r.scope_key, 'truth', t.result_jsonb,
    'truth_evidence', t.evidence_jsonb, 'type', 'round/1')`;

/**
 * One line of JSON a round, in order of (due time, id): its record, and each prediction with its score that a snapshot of the period holds, by
 * model. PostgreSQL writes the text, so that a million scores pass through this process as bytes.
 */
export async function* roundLines(
  tx: Queryable,
  period: EvidencePeriod,
  { corrected }: { corrected: boolean },
): AsyncGenerator<string, void> {
  const isRevised = sql`
    exists (select from evidence_revised v where v.model_id = s.model_id and r.resolve_at >= v.period_start and r.resolve_at < v.period_end)`;
  const held = sql`
    s.leaf_hash is not null and (${inPeriod(sql`s.window_end`, period)} ${corrected ? sql`and not ${isRevised}` : sql``}
      ${corrected ? sql`or s.leaf_hash in (select leaf from evidence_leaves)` : sql``})`;
  const { rows } = await sql<{ start: Date | null; end: Date | null }>`
    select min(start_at) as start, max(end_at) as "end" from scoring_windows where ${inPeriod(sql`end_at`, period)}`.execute(
    tx,
  );
  const { start, end } = rows[0]!;
  if (start === null || end === null) return;
  const earlier = sql`or exists (select from evidence_revised v where r.resolve_at >= v.period_start and r.resolve_at < v.period_end)`;
  // A round's scores and predictions are two stretches of their indexes: merging them is five times faster than looking each one up.
  await sql`set local enable_nestloop = off`.execute(tx);
  yield* cursor<{ line: string }, string>(
    tx,
    sql`
      select '{"record":' || r.record || ',"scores":' || e.entries || '}' as line
      from (
        select r.id, r.due_at, r.resolve_at, ${RECORD}::text as record
        from rounds r join truths t on t.round_id = r.id left join inputs i on i.id = r.input_id
        where (r.resolve_at >= ${start} and r.resolve_at < ${end}) ${corrected ? earlier : sql``}
        order by r.due_at, r.id collate "C" offset 0
      ) r
      cross join lateral (
        select json_agg(${ENTRY} order by s.model_id collate "C", s.scorer_hash)::text as entries
        from scores s join predictions p on p.round_id = s.round_id and p.model_id = s.model_id and p.due_at = s.due_at
        where s.round_id = r.id and s.due_at = r.due_at and ${held}
      ) e
      where e.entries is not null order by r.due_at, r.id collate "C"`,
    ROUNDS_AT_ONCE,
    ({ line }) => line,
  );
  await sql`set local enable_nestloop = on`.execute(tx);
}

/** A snapshot's row with what its line says of its scores. */
export interface EvidenceSnapshot {
  id: string;
  model_id: string;
  window_end: Date;
  period_start: Date;
  period_end: Date;
  revision: number;
  supersedes: string | null;
  prediction_count: number;
  result_summary_jsonb: Record<string, unknown>;
  scores_root: string;
  /** how many */
  scores: number;
  /** null: simply all of its model and window */
  leaves: Buffer | null;
}

const SNAPSHOT = sql`
  s.id, s.model_id, s.window_end, s.period_start, s.period_end, s.revision, s.supersedes, s.prediction_count, s.result_summary_jsonb,
  s.scores_root, octet_length(s.leaf_hashes) / 32 as scores`;

/** The period's snapshots, virtual ones too, in the order of the cycles that committed them, then of ids. */
export const snapshotRows = (tx: Queryable, period: EvidencePeriod): AsyncGenerator<EvidenceSnapshot, void> =>
  cursor<EvidenceSnapshot, EvidenceSnapshot>(
    tx,
    sql`
      select ${SNAPSHOT}, v.leaf_hashes as leaves from snapshots s left join evidence_revised v on v.id = s.id and v.in_period
      where ${inPeriod(sql`s.window_end`, period)} order by s.window_end, s.id collate "C"`,
    SNAPSHOTS_AT_ONCE,
    (row) => row,
  );

/** Snapshots of earlier periods that some of this one correct, by id. */
export const supersededRows = async (
  tx: Queryable,
  period: EvidencePeriod,
): Promise<Omit<EvidenceSnapshot, "leaves">[]> =>
  (
    await sql<Omit<EvidenceSnapshot, "leaves">>`
      select ${SNAPSHOT} from snapshots s
      where s.window_end <= ${period.start} and exists (select from snapshots n where n.supersedes = s.id and ${inPeriod(sql`n.window_end`, period)})
      order by s.id collate "C"`.execute(tx)
  ).rows;

/** What a window committed: hashes of its snapshots, by id. */
export async function committedBy(tx: Queryable, windowEnd: Date): Promise<{ id: string; content_hash: string }[]> {
  const { rows } = await sql<{ id: string; content_hash: string }>`
    select id, content_hash from snapshots where window_end = ${windowEnd} order by id collate "C"`.execute(tx);
  return rows;
}

export interface EvidenceCycle {
  id: string;
  window_start: Date;
  window_end: Date;
  snapshots_root: string;
  snapshot_count: number;
  previous_cycle_root: string | null;
}

/** Cycles of the windows that end in [from, to], oldest first. */
export async function cycleRows(tx: Queryable, from: Date, to: Date): Promise<EvidenceCycle[]> {
  const { rows } = await sql<EvidenceCycle>`
    select c.id, w.start_at as window_start, c.window_end, c.snapshots_root, c.snapshot_count, c.previous_cycle_root
    from merkle_cycles c join scoring_windows w on w.end_at = c.window_end
    where c.window_end >= ${from} and c.window_end <= ${to} order by c.window_end`.execute(tx);
  return rows;
}

export const contractBodies = (
  tx: Queryable,
  hashes: readonly string[],
): Promise<{ hash: string; body_jsonb: Record<string, unknown> }[]> =>
  tx
    .selectFrom("contracts")
    .select(["hash", "body_jsonb"])
    .where("hash", "in", ["", ...hashes])
    .orderBy("hash")
    .execute();

/** False: it was noted before. */
export async function noteBundle(db: Queryable, checkpointId: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("checkpoints")
    .set({ bundle_written_at: new Date() })
    .where("id", "=", checkpointId)
    .where("bundle_written_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** A query's rows a few at a time; the next ones are on their way while these are looked at. */
async function* cursor<Row, T>(
  tx: Queryable,
  query: RawBuilder<unknown>,
  atOnce: number,
  of: (row: Row) => T,
): AsyncGenerator<T, void> {
  await sql`declare evidence no scroll cursor for ${query}`.execute(tx);
  const fetch = () => sql<Row>`fetch ${sql.lit(atOnce)} from evidence`.execute(tx);
  let coming = fetch();
  try {
    for (;;) {
      const { rows } = await coming;
      if (rows.length === 0) break;
      coming = fetch();
      coming.catch(() => undefined); // thrown where it is awaited
      for (const row of rows) yield of(row);
    }
  } finally {
    await coming.catch(() => undefined);
  }
  await sql`close evidence`.execute(tx);
}
