/**
 * Resolve, score, snapshot, leaderboard: 100,000 due predictions on a real PostgreSQL, through the score role's own activities in a process that
 * does nothing else. `node bench/score.ts [--models 50] [--rounds 2000] [--older 0] [--ensembles]`; compare figures of one run only.
 * The last line is one scoring window of a minute on top: what a running competition pays each time.
 */
import { parseArgs } from "node:util";
import { sql } from "kysely";
import { pino } from "pino";
import { createMarket } from "../activities/market.ts";
import { createScoreActivities } from "../activities/round.ts";
import { createWindowActivities } from "../activities/window.ts";
import { defineCompetition } from "../competitions/define.ts";
import { contractScorer } from "../competitions/scorer.ts";
import { type Database, migrate, openDatabase } from "../db/database.ts";
import { ensurePartitions } from "../db/partitions.ts";
import { openWindow } from "../db/windows.ts";
import { fragilePostgres } from "../tests/system/node/servers.ts";
import { serverCpu } from "./server-cpu.ts";

const EVERY_MS = 5_000;
const HORIZON_MS = 20_000;
const DAY_MS = 86_400_000;
/** Activities that a score worker runs at once. */
const AT_ONCE = 40;

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "50" },
    rounds: { type: "string", default: "2000" },
    older: { type: "string", default: "0" },
    ensembles: { type: "boolean", default: false },
  },
});
const models = Number(values.models);
const rounds = Number(values.rounds);
const older = Number(values.older);
const CADENCE = { everyMs: EVERY_MS, resolveAfterMs: HORIZON_MS };
const MINUTE_ROUNDS = 60_000 / EVERY_MS;

const competition = defineCompetition({
  id: "bench",
  score: (prediction, truth) => ({ value: prediction.value * truth.profit * 10_000, actual_return: truth.profit }),
  metrics: [
    "ic",
    "ic_sharpe",
    "mean_return",
    "hit_rate",
    "max_drawdown",
    "sortino_ratio",
    "turnover",
    "model_correlation",
    "fnc",
  ],
  ...(values.ensembles
    ? {
        ensembles: [
          { name: "mean", strategy: "equal_weight" as const },
          { name: "best", strategy: "inverse_variance" as const },
        ],
      }
    : {}),
});
const firstDue = Math.floor((Date.now() - DAY_MS / 2) / 60_000) * 60_000;

await using postgres = await fragilePostgres();
const db = openDatabase({ url: postgres.at, application: "bench", statementTimeoutMs: 3_600_000 });
await migrate(db);
await generate(db);

const market = createMarket({ db, source: "bench", kind: "candle", granularity: "1s", windowSize: 20 });
const scorer = contractScorer(competition.score as never, "bench");
const log = pino({ level: "error" });
const loaded = {
  competition,
  scopes: [],
  contractHash: "bench",
  scorerHash: "bench",
  contractBody: { sources: {}, schedule: [] },
};
const score = createScoreActivities({ db, market, competition: loaded as never, scorer });
const window = createWindowActivities({ db, competition: competition as never, scopes: [CADENCE], scorer, log });

const table: Record<string, string | number>[] = [];
const ids = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `round/bench/BENCH/${firstDue + (from + i) * EVERY_MS}`);
const resolvesBefore = (count: number): number => firstDue + count * EVERY_MS + HORIZON_MS;

const started = await measured("all", async () => {
  await measured("resolve", () => each(ids(0, rounds), (id) => score.resolveTruth(id)));
  await measured("score", () => each(ids(0, rounds), (id) => score.scoreRound(id)));
  await measured("window", () => build(firstDue, resolvesBefore(rounds)));
});
await each(ids(rounds, MINUTE_ROUNDS), (id) => score.resolveTruth(id));
await each(ids(rounds, MINUTE_ROUNDS), (id) => score.scoreRound(id));
await measured("a minute's window", () => build(resolvesBefore(rounds), resolvesBefore(rounds + MINUTE_ROUNDS)));
console.table(table);
const board = await db.selectFrom("leaderboards").selectAll().orderBy("window_end", "desc").executeTakeFirstOrThrow();
const counted = await sql<{
  n: number;
}>`select count(*)::int as n from scores where window_end is not null and due_at >= ${new Date(firstDue)}`.execute(db);
console.log(
  `${counted.rows[0]!.n} scores counted, ${board.entries_jsonb.length} models on the board, ${older} older rows; all in ${started.toFixed(1)} s`,
);
await db.destroy();

async function build(startMs: number, endMs: number): Promise<void> {
  await openWindow(db, startMs, endMs);
  await window.awaitRounds({ startMs, endMs });
  await window.buildWindow({ startMs, endMs });
}

async function each(work: readonly string[], act: (id: string) => Promise<unknown>): Promise<void> {
  const queue = work.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const id of queue) await act(id);
    }),
  );
}

/** Wall clock, this process's CPU, its largest memory and the longest that its event loop stood still. */
async function measured(step: string, act: () => Promise<unknown>): Promise<number> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let [latest, stall, rss] = [start, 0, 0];
  const watch = setInterval(() => {
    stall = Math.max(stall, performance.now() - latest - 10);
    latest = performance.now();
    rss = Math.max(rss, process.memoryUsage.rss());
  }, 10);
  const server = await serverCpu(db);
  await act();
  clearInterval(watch);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1_000;
  table.push({
    step,
    seconds: seconds.toFixed(2),
    "cpu seconds": ((used.user + used.system) / 1e6).toFixed(2),
    "postgres cpu seconds": ((await serverCpu(db)) - server).toFixed(2),
    "rss MB": Math.round(rss / 1e6),
    "loop stalled ms": Math.round(stall),
  });
  return seconds;
}

/** What collecting would have left: rounds that wait for their truth, answers of every model, a feed; and older rows that are done. */
async function generate(db: Database): Promise<void> {
  const count = rounds + MINUTE_ROUNDS;
  const lastDue = firstDue + count * EVERY_MS;
  for (const name of ["predictions", "scores", "feed_records"] as const)
    await ensurePartitions(db, name, firstDue - 60_000, lastDue + 60_000);
  await sql`insert into contracts (hash, body_jsonb) values ('bench', '{}')`.execute(db);
  await sql`insert into models (id, name, deployment_identifier, player_id, player_name)
    select 'model-' || m, 'model ' || m, 'dep-' || m, 'p' || m, 'player ' || m from generate_series(1, ${models}::int) m`.execute(
    db,
  );
  await sql`insert into feed_records (source, subject, kind, granularity, ts_event, values_jsonb)
    select 'bench', 'BENCH', 'candle', '1s', t, jsonb_build_object('close', 100 + random())
    from generate_series(${new Date(firstDue - 30_000)}::timestamptz, ${new Date(lastDue + 60_000)}::timestamptz, '1 second') t`.execute(
    db,
  );
  await sql`insert into feed_ingestion_state (source, subject, kind, granularity, last_event_ts)
    values ('bench', 'BENCH', 'candle', '1s', ${new Date(lastDue + 60_000)})`.execute(db);
  await sql`insert into rounds ${roundRows(firstDue, count, "WAITING")}`.execute(db);
  await sql`insert into predictions (id, round_id, model_id, deployment_id, prediction_config_id, scope_key, scope_jsonb, status,
      inference_output_jsonb, performed_at, resolvable_at, due_at)
    select 'PRE_' || substr(r.id, 7) || '/model-' || m, r.id, 'model-' || m, 'dep-' || m, 'CFG_BENCH', 'BENCH', r.scope_jsonb, 'PENDING',
      jsonb_build_object('value', (random() - 0.5) / 100), r.due_at, r.resolve_at, r.due_at
    from rounds r, generate_series(1, ${models}::int) m`.execute(db);
  if (older > 0) await generateOlder(db);
  await sql`vacuum analyze`.execute(db);
  await sql`checkpoint`.execute(db); // what generating left to write is not what is measured
}

function roundRows(from: number, count: number, status: string) {
  return sql`
  (id, scope_key, scope_jsonb, due_at, deadline_at, resolve_at, give_up_at, status, contract_hash)
  select 'round/bench/BENCH/' || (extract(epoch from due) * 1000)::bigint, 'BENCH', '{"subject":"BENCH"}', due, due + interval '2 s',
    due + interval '20 s', due + interval '1 day', ${status}, 'bench'
  from generate_series(${new Date(from)}::timestamptz, ${new Date(from + (count - 1) * EVERY_MS)}::timestamptz, '5 seconds') due`;
}

/** Half predictions, half scores, in the days before; all counted long ago. */
async function generateOlder(db: Database): Promise<void> {
  const count = Math.ceil(older / 2 / models);
  const from = firstDue - count * EVERY_MS - 10 * DAY_MS;
  for (const name of ["predictions", "scores"] as const)
    await ensurePartitions(db, name, from, from + count * EVERY_MS);
  await sql`insert into rounds ${roundRows(from, count, "SCORED")}`.execute(db);
  await openWindow(db, from, from + count * EVERY_MS + DAY_MS);
  await sql`update scoring_windows set status = 'COMMITTED' where end_at = ${new Date(from + count * EVERY_MS + DAY_MS)}`.execute(
    db,
  );
  await sql`insert into predictions (id, round_id, model_id, deployment_id, prediction_config_id, scope_key, scope_jsonb, status,
      inference_output_jsonb, performed_at, resolvable_at, due_at)
    select 'P' || r.due_at || m, r.id, 'model-' || m, 'dep-' || m, 'CFG_BENCH', 'BENCH', '{}', 'SCORED', '{"value":1}', r.due_at, r.resolve_at, r.due_at
    from rounds r, generate_series(1, ${models}::int) m where r.status = 'SCORED'`.execute(db);
  await sql`insert into scores (id, prediction_id, round_id, model_id, due_at, scorer_hash, deployment_id, result_jsonb, value, predicted, actual,
      success, resolved_at, window_end)
    select 'S' || r.due_at || m, 'P' || r.due_at || m, r.id, 'model-' || m, r.due_at, 'bench', 'dep-' || m, '{"value":1}', 1, 1, 1, true,
      r.resolve_at, ${new Date(from + count * EVERY_MS + DAY_MS)}
    from rounds r, generate_series(1, ${models}::int) m where r.status = 'SCORED'`.execute(db);
}
