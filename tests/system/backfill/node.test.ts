import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { retentionScheduleId } from "../../../domain/ids.ts";
import { freePort } from "../../../local/ports.ts";
import { startNode, until } from "../node/harness.ts";

interface Job {
  id: string;
  status: string;
  progress_pct: number;
  records_written: number;
  error: string | null;
}

test("a node of real processes: a job over the API, a kill -9 of its worker, files, and retention on its Schedule", async () => {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  await using node = await startNode({
    models: {},
    groups: ["score", "report"],
    env: { REPORT_API_PORT: String(port), BACKFILL_PAGES_PER_SECOND: "2" },
  });
  const ask = async <T>(path: string, body?: object): Promise<{ status: number; body: T }> => {
    const init = body
      ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
      : {};
    const answer = await fetch(base + path, init);
    return { status: answer.status, body: (await answer.json()) as T };
  };
  const job = async (id: string) => (await ask<Job>(`/reports/backfill/jobs/${id}`)).body;
  // The node's own records last 200 ms; this job's last a second: the settings have no say in it.
  const end = Math.floor(Date.now() / 1_000) * 1_000 - 60_000;
  const asked = { source: "replay", subject: "SP500", kind: "candle", granularity: "1s" };
  const range = { start: new Date(end - 8_000_000).toISOString(), end: new Date(end).toISOString() };
  const { status, body } = await ask<Job>("/reports/backfill", { ...asked, ...range });
  expect(status, JSON.stringify(body)).toBe(201);
  const { id } = body;
  expect((await ask("/reports/backfill", { ...asked, ...range })).status).toBe(409);

  await until("some pages are stored", 30_000, async () => (await job(id)).records_written >= 2_000);
  await node.kill("score");
  const paused = ask<{ detail: string }>(`/reports/backfill/jobs/${id}/pause`, {});
  expect(await paused).toMatchObject({
    status: 503,
    body: { detail: expect.stringContaining("is the score role running?") },
  });
  await node.start("score");
  await until("it goes on, or obeys the pause that waited", 60_000, async () => (await job(id)).status !== "pending");
  await ask(`/reports/backfill/jobs/${id}/resume`, {});
  await until("it is done", 90_000, async () => (await job(id)).status === "completed");
  expect(await job(id)).toMatchObject({ progress_pct: 100, records_written: 8_000, error: null });

  const index = (await ask<{ path: string; records: number }[]>("/data/backfill/index")).body;
  expect(index.reduce((sum, e) => sum + e.records, 0)).toBe(8_000);
  const file = await (await fetch(`${base}/data/backfill/${index[0]!.path}`)).arrayBuffer();
  expect(await parquetReadObjects({ file })).toHaveLength(index[0]!.records);

  const refused = (await ask<Job>("/reports/backfill", { ...asked, ...range, source: "nowhere" })).body;
  await until("it says why", 30_000, async () => (await job(refused.id)).status === "failed");
  expect((await job(refused.id)).error).toContain("source nowhere: this version has");

  const almanac = async (...args: string[]): Promise<string> => {
    const main = join(import.meta.dirname, "../../../cli/main.ts");
    return (await promisify(execFile)(process.execPath, [main, ...args], { env: node.env })).stdout;
  };
  const from = new Date(end - 8_030_000).toISOString();
  const waited = almanac(
    "backfill",
    "start",
    "replay/SP500/candle/1s",
    "--from",
    from,
    "--to",
    range.start,
    "--wait",
    "--json",
  );
  expect(JSON.parse(await waited)).toMatchObject({ status: "completed", records_written: 30 });
  expect((await almanac("backfill", "list", "--status", "failed")).trim()).toMatch(
    /nowhere\/SP500\/candle\/1s {2}failed 0 %/,
  );
  expect(await almanac("backfill", "show", id)).toContain("completed 100 %  8000 records");
  await expect(almanac("backfill", "resume", id)).rejects.toMatchObject({
    stderr: expect.stringContaining("409: a job that is completed cannot be resumed"),
  });
  const plan = JSON.parse(await almanac("retention", "--dry-run", "--json")) as { table: string; goes: unknown[] }[];
  expect(plan.map((line) => line.table)).toContain("feed_records");
  expect(plan.flatMap((line) => line.goes)).toEqual([]);

  const retention = node.temporal.schedule.getHandle(retentionScheduleId(node.crunchId));
  await retention.trigger();
  await until("retention ran", 30_000, async () => (await retention.describe()).info.recentActions.length > 0);
  const [action] = (await retention.describe()).info.recentActions;
  const run = action!.action as { workflow: { workflowId: string } };
  expect(await node.temporal.workflow.getHandle(run.workflow.workflowId).result()).toMatchObject({ predictions: 0 });
  expect(node.log("score").filter((line) => line.includes('"level":50'))).toEqual([]);
}, 300_000);
