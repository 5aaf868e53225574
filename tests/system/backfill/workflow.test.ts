import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import type { BackfillProgress } from "../../../activities/backfill.ts";
import {
  commandBackfillWorkflow,
  createBackfillRunActivities,
  startBackfillWorkflow,
} from "../../../activities/backfill-runs.ts";
import { readDayFile } from "../../../activities/day-file.ts";
import { type BackfillRow, backfillById, insertBackfill } from "../../../db/backfill.ts";
import type { Database } from "../../../db/database.ts";
import type { BackfillStatus } from "../../../domain/backfill.ts";
import type { Stream } from "../../../domain/day-file.ts";
import { backfillWorkflowId } from "../../../domain/ids.ts";
import { type Feed, FeedSettingError } from "../../../feeds/feed.ts";
import { workflowBundle } from "../../../workers/bundle.ts";
import { until } from "../node/harness.ts";
import { startBackfillWorkers } from "./worker.ts";
import { candles, DAY, freshDatabase, MINUTE, paperFeed, T0 } from "./world.ts";

const PER_DAY = 23 * 60;
const folder = mkdtempSync(join(tmpdir(), "almanac-backfill-"));
let codePath: string;
let native: NativeConnection;
let client: Client;
beforeAll(async () => {
  ({ codePath } = await workflowBundle(join(folder, "workflows.js")));
  native = await NativeConnection.connect({ address: inject("temporalAddress") });
  client = new Client({
    connection: await Connection.connect({ address: inject("temporalAddress") }),
    namespace: "almanac",
  });
}, 120_000);
afterAll(async () => {
  await native.close();
  await client.connection.close();
  rmSync(folder, { recursive: true, force: true });
});

let [db, url, close]: [Database, string, () => Promise<void>] = [] as never;
let [root, competition]: [string, string] = [] as never;
const running: { stop(): Promise<void> }[] = [];
let jobs = 0;
beforeEach(async () => {
  ({ db, url, close } = await freshDatabase(inject("postgresUrl")));
  root = mkdtempSync(join(folder, "days-"));
  competition = `backfill-${process.pid}-${jobs}`;
});
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop();
  await close();
});

async function work(openFeed: (stream: Stream) => Promise<Feed>, pauseMs = 0): Promise<void> {
  const options = { connection: native, codePath, competition, db, root, openFeed, pauseMs };
  running.push(await startBackfillWorkers(options));
}
/** A job from half past nine on the first day to noon two days later. */
async function begin(days = 2): Promise<string> {
  const id = `job-${process.pid}-${jobs++}`;
  await insertBackfill(db, { ...candles, id, startMs: T0 + 9.5 * 60 * MINUTE, endMs: T0 + days * DAY + DAY / 2 });
  await startBackfillWorkflow(client, { competition, id, subject: "BTC" });
  return id;
}
const EXPECTED = 14.5 * 60 + PER_DAY + 11 * 60;
const tell = (id: string, command: "pause" | "resume" | "cancel"): Promise<BackfillProgress> =>
  commandBackfillWorkflow(client, { competition, id, subject: "BTC" }, command);
const rowOf = async (id: string): Promise<BackfillRow> => (await backfillById(db, id))!;
const become = (id: string, status: BackfillStatus) =>
  until(`${id} is ${status}`, 60_000, async () => (await rowOf(id)).status === status);
async function stored(): Promise<{ n: number; distinct: number }> {
  const { rows } = await sql<{ n: number; distinct: number }>`
    select count(*)::int as n, count(distinct ts_event)::int as distinct from feed_records`.execute(db);
  return rows[0]!;
}
const files = () => readdirSync(join(root, "paper/BTC/candle/1m")).filter((name) => name.endsWith(".parquet"));
const linesOf = async (name: string) =>
  (await Array.fromAsync(readDayFile(join(root, "paper/BTC/candle/1m", name)))).flat();

test("pages to the end, a file a day, the row and the query say how far", async () => {
  const id = await begin();
  await work(async () => paperFeed());
  await become(id, "completed");
  expect(await rowOf(id)).toMatchObject({ records_written: String(EXPECTED), error: null });
  expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
  expect(files()).toEqual(["2026-01-15.parquet", "2026-01-16.parquet", "2026-01-17.parquet"]);
  const counts = await Promise.all(files().map(async (name) => (await linesOf(name)).length));
  expect(counts).toEqual([14.5 * 60, PER_DAY, 11 * 60]);
  const index = JSON.parse(readFileSync(join(root, "index.json"), "utf8")) as { records: number; path: string }[];
  expect(index.map((e) => e.records)).toEqual(counts);
  const handle = client.workflow.getHandle(backfillWorkflowId(id));
  expect(await handle.result()).toMatchObject({ status: "completed", progressPct: 100 });
  expect(await handle.query("progress")).toMatchObject({ recordsWritten: EXPECTED });
});

describe("people", () => {
  test("pause, resume and cancel; what was stored until then is filed", async () => {
    await work(async () => paperFeed(), 20);
    const id = await begin();
    await until("a day is passed", 30_000, async () => Number((await rowOf(id)).records_written) > 14.5 * 60 + 100);
    expect(await tell(id, "pause")).toMatchObject({ status: "paused" });
    const { pages_fetched } = await rowOf(id);
    await new Promise((done) => setTimeout(done, 300));
    expect((await rowOf(id)).pages_fetched).toBe(pages_fetched);
    expect(await tell(id, "pause")).toMatchObject({ status: "paused" });
    expect(await tell(id, "resume")).toMatchObject({ status: "running" });
    await until("it goes on", 30_000, async () => (await rowOf(id)).pages_fetched > pages_fetched + 1);
    expect(await tell(id, "cancel")).toMatchObject({ status: "cancelled" });
    await client.workflow.getHandle(backfillWorkflowId(id)).result();
    expect((await linesOf("2026-01-15.parquet")).length + (await linesOf("2026-01-16.parquet")).length).toBe(
      (await stored()).n,
    );
    expect(Number((await rowOf(id)).records_written)).toBe((await stored()).n);
    await expect(tell(id, "resume")).rejects.toMatchObject({
      cause: { type: "NotOpen", message: "a job that is cancelled cannot be resumed" },
    });
  });

  test("a job that failed says why, and goes on when it is resumed", async () => {
    let open = (): Feed => {
      throw new FeedSettingError("paper has no BTC: it has ETH");
    };
    await work(async () => open());
    const id = await begin();
    await become(id, "failed");
    expect((await rowOf(id)).error).toBe("paper has no BTC: it has ETH");
    await expect(client.workflow.getHandle(backfillWorkflowId(id)).result()).rejects.toThrow();
    open = () => paperFeed();
    expect(await tell(id, "resume")).toMatchObject({ status: "running", error: null });
    await become(id, "completed");
    expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
  });
});

describe("faults", () => {
  test("a source that fails for a while costs time only", async () => {
    const feed = paperFeed({ failing: 3 });
    await work(async () => feed);
    const id = await begin();
    await become(id, "completed");
    expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
  });

  test("a source that answers with something else is not believed", async () => {
    const honest = paperFeed();
    const feed: Feed = {
      ...honest,
      fetch: async (asked) => {
        const page = await honest.fetch(asked);
        return honest.asked === 3 ? page.map((r) => ({ ...r, tsEvent: r.tsEvent - 10 * DAY })) : page;
      },
    };
    await work(async () => feed);
    const id = await begin();
    await become(id, "completed");
    expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
    const { rows } = await sql`select 1 from feed_records where ts_event < ${new Date(T0)}`.execute(db);
    expect(rows).toEqual([]);
  });

  test("the run is gone (terminated, or Temporal's data lost): reconcile starts it again and it goes on from the row", async () => {
    await work(async () => paperFeed(), 20);
    const id = await begin();
    await until("it has begun", 30_000, async () => (await rowOf(id)).pages_fetched > 3);
    await client.workflow.getHandle(backfillWorkflowId(id)).terminate("lost");
    const reconcile = createBackfillRunActivities({ db, client, competition });
    expect(await reconcile.resumeBackfills()).toBe(1);
    await become(id, "completed");
    expect(await rowOf(id)).toMatchObject({ records_written: String(EXPECTED) });
    expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
    expect(await reconcile.resumeBackfills()).toBe(0);
  });

  test("kill -9 of the worker in the middle, again and again: no record is lost, doubled or counted twice", async () => {
    const id = await begin();
    const settings = { url, address: inject("temporalAddress"), codePath, competition, root, pauseMs: 60 };
    let last = 0;
    for (let kills = 0; kills < 3; kills++) {
      const worker = await processOf(settings);
      await until("it got further", 60_000, async () => {
        const { pages_fetched } = await rowOf(id);
        return pages_fetched >= last + 4;
      });
      last = (await rowOf(id)).pages_fetched;
      worker.kill("SIGKILL");
      await once(worker, "exit");
    }
    expect((await rowOf(id)).status).toBe("running");
    const worker = await processOf({ ...settings, pauseMs: 0 });
    await become(id, "completed");
    worker.kill("SIGKILL");
    await once(worker, "exit");
    expect(await rowOf(id)).toMatchObject({ records_written: String(EXPECTED) });
    expect(await stored()).toEqual({ n: EXPECTED, distinct: EXPECTED });
    const lines = (await Promise.all(files().map(linesOf))).flat();
    expect(new Set(lines.map((l) => l.tsMs)).size).toBe(EXPECTED);
    expect(lines).toHaveLength(EXPECTED);
  }, 180_000);
});

async function processOf(settings: object): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "worker-process.ts"), JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const text of child.stdout!) if (String(text).includes("ready")) break;
  return child;
}
