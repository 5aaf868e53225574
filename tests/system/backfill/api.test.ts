import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { z } from "zod";
import { dayRow } from "../../../activities/day-file.ts";
import { createDayFolder } from "../../../activities/day-folder.ts";
import { backfillFeed, backfillJob, dayFile } from "../../../api/contract/backfill.ts";
import type { App, BackfillRuns } from "../../../api/deps.ts";
import { conflict } from "../../../api/problem.ts";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { moveBackfill } from "../../../db/backfill.ts";
import type { Database } from "../../../db/database.ts";
import { storeFeedRecords } from "../../../db/feeds.ts";
import { SETTINGS } from "../api/world.ts";
import { candles, DAY, freshDatabase, T0 } from "./world.ts";

const NOW = T0 + 10 * DAY;
let [db, close, root, app]: [Database, () => Promise<void>, string, App] = [] as never;
let asked: unknown[] = [];
let refuse: string | null = null;
const backfills: BackfillRuns = {
  start: async ({ id }) => void asked.push(["start", id]),
  command: async ({ id }, command) => {
    if (refuse) throw conflict(refuse);
    asked.push([command, id]);
  },
};
beforeEach(async () => {
  ({ db, close } = await freshDatabase(inject("postgresUrl")));
  root = mkdtempSync(join(tmpdir(), "almanac-day-files-"));
  [asked, refuse] = [[], null];
  app = await serve({});
});
afterEach(async () => {
  await app.close();
  await close();
  rmSync(root, { recursive: true, force: true });
});

async function serve(change: Partial<typeof SETTINGS>, runs = backfills): Promise<App> {
  const competition = await loadCompetition(
    join(import.meta.dirname, "../node/competitions/quick/competition.ts"),
    SETTINGS.feed.subjects,
  );
  const settings = { ...SETTINGS, backfillRoot: root, ...change };
  return buildServer({
    settings,
    db,
    competition,
    backfills: runs,
    checks: {},
    now: () => NOW,
    log: pino({ level: "silent" }),
  });
}

const body = { ...candles, start: "2026-01-15T00:00:00Z", end: "2026-01-17T00:00:00Z" };
const post = (url: string, payload?: object, headers: Record<string, string> = {}) =>
  app.inject({ method: "POST", url, headers, ...(payload ? { payload } : {}) });

describe("jobs", () => {
  test("are created once a stream, started, listed and shown with their progress", async () => {
    const created = await post("/reports/backfill", body);
    expect(created.statusCode, created.body).toBe(201);
    const job = created.json();
    expect(backfillJob.parse(job)).toEqual(job);
    expect(job).toMatchObject({ ...candles, status: "pending", progress_pct: 0, cursor_ts: null, records_written: 0 });
    expect(asked).toEqual([["start", job.id]]);
    const again = await post("/reports/backfill", { ...body, source: "PAPER" });
    expect(again.statusCode).toBe(409);
    expect(again.json().detail).toContain(`backfill job ${job.id} of this stream is pending`);
    expect((await post("/reports/backfill", { ...body, subject: "ETH" })).statusCode).toBe(201);

    await db
      .updateTable("backfill_jobs")
      .set({ cursor_ts: new Date(T0 + DAY) })
      .where("id", "=", job.id)
      .execute();
    expect((await app.inject(`/reports/backfill/jobs/${job.id}`)).json()).toMatchObject({ progress_pct: 50 });
    expect((await app.inject("/reports/backfill/jobs?status=pending")).json()).toHaveLength(2);
    expect((await app.inject("/reports/backfill/jobs?status=failed")).json()).toEqual([]);
    expect((await app.inject("/reports/backfill/jobs?status=lost")).statusCode).toBe(422);
    expect((await app.inject("/reports/backfill/jobs/none")).statusCode).toBe(404);
  });

  test("a job whose workflow cannot be started now is there all the same", async () => {
    await app.close();
    app = await serve({}, { ...backfills, start: () => Promise.reject(new Error("Temporal is away")) });
    expect((await post("/reports/backfill", body)).statusCode).toBe(201);
  });

  test("an end that is not past is the last final candle", async () => {
    const { end_ts } = (await post("/reports/backfill", { ...body, end: "2030-01-01" })).json();
    expect(Date.parse(end_ts)).toBe(NOW - 60_000);
  });

  test.each([
    [{ start: "2026-01-17T00:00:00Z", end: "2026-01-17T00:00:00Z" }, "must be before end"],
    [{ start: "2029-01-17T00:00:00Z", end: "2030-01-17T00:00:00Z" }, "nothing after 2029-01-17T00:00:00.000Z is final"],
    [{ start: "0026-01-17T00:00:00Z" }, "is before 1980-01-01"],
    [{ start: "yesterday" }, "ISO 8601"],
    [{ subject: "../../etc" }, "letters, digits"],
    [{ source: "a/b" }, "letters, digits"],
    [{ kind: "gossip" }, "Invalid option"],
    [{ granularity: "1 minute" }, "a number and ms, s, m, h or d"],
    [{ limit: 5 }, "Unrecognized key"],
  ])("%j is refused with the reason", async (change, reason) => {
    const answer = await post("/reports/backfill", { ...body, ...change });
    expect(answer.statusCode).toBe(422);
    expect(answer.body).toContain(reason);
    expect(asked).toEqual([]);
  });

  test("commands go to the workflow, and its refusal comes back", async () => {
    const { id } = (await post("/reports/backfill", body)).json();
    asked = [];
    for (const command of ["pause", "resume", "cancel"]) {
      const answer = await post(`/reports/backfill/jobs/${id}/${command}`);
      expect(answer.statusCode, answer.body).toBe(200);
      expect(answer.json().id).toBe(id);
    }
    expect(asked).toEqual([
      ["pause", id],
      ["resume", id],
      ["cancel", id],
    ]);
    refuse = "another job of this stream is open";
    expect((await post(`/reports/backfill/jobs/${id}/resume`)).json()).toEqual({ detail: refuse });
    await moveBackfill(db, id, "pending", "cancelled");
    refuse = null;
    const late = await post(`/reports/backfill/jobs/${id}/pause`);
    expect([late.statusCode, late.json().detail]).toEqual([409, "a job that is cancelled cannot be paused"]);
    expect((await post("/reports/backfill/jobs/none/pause")).statusCode).toBe(404);
  });

  test("changing anything wants the key; so does looking, where reads do", async () => {
    await app.close();
    app = await serve({ apiKey: "k".repeat(32) });
    expect((await post("/reports/backfill", body)).statusCode).toBe(401);
    expect((await post("/reports/backfill/jobs/x/cancel")).statusCode).toBe(401);
    expect((await app.inject("/reports/backfill/jobs")).statusCode).toBe(401);
    expect((await app.inject("/data/backfill/index")).statusCode).toBe(401);
    expect((await post("/reports/backfill", body, { "x-api-key": "k".repeat(32) })).statusCode).toBe(201);
  });

  test("streams that can be filled: followed, stored, or asked for before", async () => {
    await storeFeedRecords(db, [{ ...candles, tsEvent: T0, eventId: "", values: { close: 1 }, meta: {} }]);
    const { id } = (await post("/reports/backfill", { ...body, subject: "ETH" })).json();
    const feeds = (await app.inject("/reports/backfill/feeds")).json();
    expect(z.array(backfillFeed).parse(feeds)).toEqual(feeds);
    expect(feeds.map((f: { subject: string }) => f.subject)).toEqual(["BTC", "ETH", "SP500"]);
    expect(feeds[0]).toMatchObject({ configured: false, record_count: 1, job_id: null });
    expect(feeds[1]).toMatchObject({ record_count: 0, job_id: id });
    expect(feeds[2]).toMatchObject({ source: "replay", configured: true, newest_ts: null });
  });
});

describe("day files", () => {
  const path = "/data/backfill/paper/BTC/candle/1m/2026-01-15.parquet";
  const file = async () => {
    const folder = createDayFolder({ root, exclusively: (work) => work(), log: pino({ level: "silent" }) });
    const record = { ...candles, tsEvent: T0, eventId: "", values: { close: 1 }, meta: {} };
    await folder.fileDay(
      candles,
      T0,
      (async function* () {
        yield [dayRow(record)];
      })(),
    );
  };

  test("are listed and served whole, in part, and not again where nothing changed", async () => {
    expect((await app.inject("/data/backfill/index")).json()).toEqual([]);
    await file();
    const index = (await app.inject("/data/backfill/index")).json();
    expect(z.array(dayFile).parse(index)).toEqual(index);
    expect(index).toEqual([
      { path: path.slice("/data/backfill/".length), records: 1, size_bytes: index[0].size_bytes, date: "2026-01-15" },
    ]);
    const whole = await app.inject(path);
    expect([whole.statusCode, whole.headers["content-type"]]).toEqual([200, "application/vnd.apache.parquet"]);
    expect(whole.rawPayload.length).toBe(index[0].size_bytes);
    expect(whole.rawPayload.subarray(0, 4).toString()).toBe("PAR1");
    const etag = whole.headers.etag as string;
    expect((await app.inject({ url: path, headers: { "if-none-match": etag } })).statusCode).toBe(304);
    const part = await app.inject({ url: path, headers: { range: "bytes=0-3" } });
    expect([part.statusCode, part.payload]).toEqual([206, "PAR1"]);
    expect((await app.inject({ method: "HEAD", url: path })).headers["content-length"]).toBe(
      String(index[0].size_bytes),
    );
  });

  test("one that is not there is a 404; an index that is broken says so", async () => {
    const missing = await app.inject(path);
    expect([missing.statusCode, missing.headers["content-type"]]).toEqual([404, "application/json; charset=utf-8"]);
    writeFileSync(join(root, "index.json"), "[{");
    expect((await app.inject("/data/backfill/index")).statusCode).toBe(503);
  });

  test.each([
    "/data/backfill/paper/BTC/candle/1m/..%2f..%2f..%2f..%2fsecret",
    "/data/backfill/paper/BTC/candle/..%2f..%2f/2026-01-15.parquet",
    "/data/backfill/%2e%2e/%2e%2e/x/y/2026-01-15.parquet",
    "/data/backfill/paper/BTC/candle/1m/index.json",
    "/data/backfill/paper/BTC/candle/1m/2026-01-15.parquet.unreadable-5",
    "/data/backfill/paper/BTC/candle/1m/.2026-01-15.parquet",
    "/data/backfill/paper/BTC/candle/1m%00/2026-01-15.parquet",
    "/data/backfill/index.json",
  ])("nothing but a day file comes out: %s", async (url) => {
    await file();
    mkdirSync(join(root, "x"), { recursive: true });
    writeFileSync(join(root, "..", "secret"), "secret");
    const answer = await app.inject(url);
    expect([400, 404, 422]).toContain(answer.statusCode);
    expect(answer.body).not.toContain("PAR1");
    rmSync(join(root, "..", "secret"), { force: true });
  });
});
