import { sql } from "kysely";
import { expect } from "vitest";
import type { Database } from "../../../db/database.ts";
import { until } from "./harness.ts";

/** Settles: no round is open that has had the time to end. */
export async function settled(db: Database, sinceMs: number, withinMs = 60_000): Promise<void> {
  await until("rounds due before are terminal", withinMs, async () => {
    const { rows } = await sql<{
      n: string;
    }>`select count(*) n from rounds where due_at <= ${new Date(sinceMs)} and status not in ('SCORED','MISSED','UNRESOLVABLE','VOIDED')`.execute(
      db,
    );
    return Number(rows[0]!.n) === 0;
  });
}

/**
 * What must hold after any fault (R1, R2, R5): each due time has one round; each round a row per model in a terminal status;
 * each stored input its predictions; each score is counted by exactly one committed window, and snapshots add up to the scores.
 */
export async function expectNothingLost(
  db: Database,
  options: { everyMs: number; models: number; untilMs: number },
): Promise<void> {
  const until = new Date(options.untilMs);
  const one = async (query: ReturnType<typeof sql<Record<string, string>>>) =>
    Object.values((await query.execute(db)).rows[0]!).map(Number);
  const [rounds, dueTimes] = await one(sql`
    select count(*), (extract(epoch from max(due_at) - min(due_at)) * 1000)::bigint / ${options.everyMs}::int + 1 from rounds where due_at <= ${until}`);
  expect(rounds, "each due time between the first and the last has a round").toBe(dueTimes);
  const [wrong] = await one(sql`
    select count(*) from (select r.id from rounds r left join predictions p on p.round_id = r.id and p.due_at = r.due_at
      where r.due_at <= ${until} group by r.id having count(p.model_id) <> ${options.models}::int) x`);
  expect(wrong, "each round has exactly one row per model").toBe(0);
  const [pending] = await one(
    sql`select count(*) from predictions p join rounds r on r.id = p.round_id where r.due_at <= ${until} and p.status = 'PENDING'`,
  );
  expect(pending, "no prediction is left waiting").toBe(0);
  const [orphans] = await one(
    sql`select count(*) from inputs i where not exists (select 1 from rounds r where r.input_id = i.id)`,
  );
  expect(orphans, "each input belongs to a round").toBe(0);
  const [counted, summed] = await one(
    sql`select (select count(value) from scores where window_end is not null), (select coalesce(sum(prediction_count), 0) from snapshots s
      where not exists (select 1 from snapshots newer where newer.supersedes = s.id))`,
  );
  expect(summed, "snapshots add up to the counted scores").toBe(counted);
  const [lost] = await one(sql`
    select count(*) from scores s where window_end is null and resolved_at < (select max(end_at) from scoring_windows where status = 'COMMITTED') - interval '10 seconds'
      and scored_at < now() - interval '15 seconds'`);
  expect(lost, "no score is missing from the snapshots").toBe(0);
}
