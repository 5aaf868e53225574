/**
 * Feed record stored -> predictions committed, on the real parts: PostgreSQL (durable), Temporal, gRPC, boxed Python models.
 * `node bench/round.ts [models,models,...] [rounds]`; compare figures of one run only.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import { sql } from "kysely";
import { pino } from "pino";
import { calleeRule } from "../activities/callees.ts";
import { createCollector } from "../activities/collect.ts";
import { createMarket } from "../activities/market.ts";
import { createCollectActivities } from "../activities/round.ts";
import { createRoundClock } from "../activities/round-clock.ts";
import { loadCompetition } from "../competitions/load.ts";
import { migrate, openDatabase } from "../db/database.ts";
import { recordFleet } from "../db/deployments.ts";
import { storeFeedRecords } from "../db/feeds.ts";
import { ensurePartitions } from "../db/partitions.ts";
import { recordContract } from "../db/rounds.ts";
import { taskQueue } from "../domain/ids.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import { prepareTemporal } from "../local/temporal-setup.ts";
import { createFleetClient } from "../models/client/fleet-client.ts";
import { startOrchestrator } from "../models/orchestrator/orchestrator.ts";
import { writeModels } from "../tests/system/node/models.ts";
import { fragilePostgres, fragileTemporal } from "../tests/system/node/servers.ts";
import { workflowBundle } from "../workers/bundle.ts";
import { bridgeTemporalLog } from "../workers/temporal-worker.ts";

const SUBJECT = "BENCH";
const EVERY_MS = 250;
const WARM_UP = 20;
let lastSlot = 0;
const HISTORY = 100;
const NAMESPACE = "almanac";

const counts = (process.argv[2] ?? "5,20").split(",").map(Number);
const rounds = Number(process.argv[3] ?? 120);
const log = pino({ level: "error" });
bridgeTemporalLog(log);

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;

const postgres = await fragilePostgres();
const temporal = await fragileTemporal();
const setup = await Connection.connect({ address: temporal.at });
await prepareTemporal(setup, "almanac", "almanac-checkpoints");
await setup.close();
const bundle = await workflowBundle(join(tmpdir(), `almanac-bench-${process.pid}.js`));
const rows: Record<string, string | number>[] = [];
for (const count of counts) rows.push(await measure(count));
console.table(rows);
rmSync(bundle.codePath, { force: true });
// Before the exit, which would leave both servers running.
await postgres[Symbol.asyncDispose]();
await temporal[Symbol.asyncDispose]();
process.exit(0);

async function measure(models: number): Promise<Record<string, string | number>> {
  const crunchId = `bench-${models}`;
  const folder = mkdtempSync(join(tmpdir(), "almanac-bench-"));
  const db = openDatabase({ url: postgres.at, application: "bench" });
  await migrate(db);
  await sql`truncate rounds, predictions, inputs, models, deployments, feed_records, feed_ingestion_state cascade`.execute(
    db,
  );
  const modelsFile = writeModels(
    join(folder, "models"),
    crunchId,
    Object.fromEntries(Array.from({ length: models }, (_, i) => [`m${i}`, "follower" as const])),
  );
  const orchestrator = await startOrchestrator({
    host: "127.0.0.1",
    port: 0,
    crunchId,
    modelsFile,
    runnerPort: 0,
    sandbox: "auto",
    python: "python3",
    stateDir: join(folder, "state"),
    logger: log,
  });
  const fleet = createFleetClient({
    host: "127.0.0.1",
    port: orchestrator.port,
    crunchId,
    baseClassname: "tracker.TrackerBase",
    logger: log,
  });
  await fleet.init();
  while (fleet.models().filter((m) => m.state === "CONNECTED").length < models) await delay(50);
  await recordFleet(
    db,
    fleet.models().map((m) => ({ ...m, meta: {} })),
  );

  const loaded = await loadCompetition("tests/system/node/competitions/quick/competition.ts", [SUBJECT]);
  const scopes = loaded.scopes.map((s) => ({ ...s, everyMs: EVERY_MS, resolveAfterMs: 3_600_000 }));
  await recordContract(db, { hash: loaded.contractHash, body: loaded.contractBody, scopes });
  const market = createMarket({
    db,
    source: "bench",
    kind: "candle",
    granularity: `${EVERY_MS}ms`,
    windowSize: HISTORY,
  });
  const collected = Promise.withResolvers<void>();
  let done = collected;
  const collector = createCollector({ db, fleet, market, competition: loaded, log });
  const connection = await NativeConnection.connect({ address: temporal.at });
  const worker = await Worker.create({
    connection,
    namespace: NAMESPACE,
    taskQueue: taskQueue("predict", crunchId),
    workflowBundle: bundle,
    activities: createCollectActivities({ collector }),
  });
  const working = worker.run();
  const clock = createRoundClock({
    db,
    client: new Client({ connection, namespace: NAMESPACE }),
    crunchId,
    loaded: { ...loaded, scopes },
    market,
    fleet,
    collector,
    callees: calleeRule(db, undefined),
    timeoutMs: 2_000,
    headStart: true,
    log,
    onCollected: () => done.resolve(),
  });
  const history = Array.from({ length: HISTORY }, (_, i) =>
    record(Math.floor(Date.now() / EVERY_MS) * EVERY_MS - (HISTORY - i + 4) * EVERY_MS),
  );
  market.add(await storeFeedRecords(db, history));
  await ensurePartitions(db, "predictions", Date.now(), Date.now() + 86_400_000);

  const latencies: number[] = [];
  const before = { cpu: process.cpuUsage(), xid: 0 };
  for (let i = 0; i < WARM_UP + rounds; i++) {
    const slot = await nextSlot();
    if (i === WARM_UP) Object.assign(before, { cpu: process.cpuUsage(), xid: await nextXid(db) });
    done = Promise.withResolvers<void>();
    const stored = await storeFeedRecords(db, [record(slot - EVERY_MS)]);
    const t0 = performance.now();
    void clock.onRecords(stored);
    await done.promise;
    if (i >= WARM_UP) latencies.push(performance.now() - t0);
  }
  const cpu = process.cpuUsage(before.cpu);
  const transactions = ((await nextXid(db)) - before.xid) / rounds;
  const { rows: proof } = await sql<{ commits: number; rows: number }>`
    select max(n)::int commits, min(c)::int rows from (select count(distinct xmin::text) n, count(*) c from predictions group by round_id) x`.execute(
    db,
  );
  await clock.idle();
  worker.shutdown();
  await working;
  await fleet[Symbol.asyncDispose]();
  await orchestrator.close();
  await connection.close();
  await db.destroy();
  rmSync(folder, { recursive: true, force: true });
  return {
    models,
    rounds,
    "p50 ms": quantile(latencies, 0.5).toFixed(1),
    "p99 ms": quantile(latencies, 0.99).toFixed(1),
    "predict process CPU ms/round": ((cpu.user + cpu.system) / 1_000 / rounds).toFixed(1),
    "commits of a round's predictions": proof[0]!.commits,
    "rows a round, least": proof[0]!.rows,
    "writing transactions a round, record and round row included": transactions.toFixed(2),
  };
}

/** Waits for the next multiple of EVERY_MS that was not used; timers may fire early. */
async function nextSlot(): Promise<number> {
  lastSlot = Math.max(lastSlot, Math.floor(Date.now() / EVERY_MS) * EVERY_MS) + EVERY_MS;
  while (Date.now() < lastSlot) await delay(lastSlot - Date.now());
  return lastSlot;
}

function record(tsEvent: number): FeedRecord {
  const close = 100 + Math.sin(tsEvent / 7_000);
  return {
    source: "bench",
    subject: SUBJECT,
    kind: "candle",
    granularity: `${EVERY_MS}ms`,
    tsEvent,
    eventId: "",
    values: { open: close, high: close, low: close, close, volume: 1 },
    meta: {},
  };
}

async function nextXid(db: ReturnType<typeof openDatabase>): Promise<number> {
  const { rows } = await sql<{ xid: string }>`select pg_snapshot_xmax(pg_current_snapshot())::text xid`.execute(db);
  return Number(rows[0]!.xid);
}
