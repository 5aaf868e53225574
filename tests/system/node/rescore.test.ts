import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { sql } from "kysely";
import { expect, test } from "vitest";
import type { RoundReplay } from "../../../activities/round-replay.ts";
import { rescoreJob, rescoreJobWithDiff } from "../../../api/contract/rescore.ts";
import { freePort } from "../../../local/ports.ts";
import { startNode, until } from "./harness.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

test("almanac rescore: the past of a running node by its new scorer, looked at, adopted, and replayed", async () => {
  const port = String(await freePort());
  await using node = await startNode({
    models: { steady: "steady", follower: "follower", broken: "raises" },
    env: { CHECKPOINT_INTERVAL_SECONDS: "604800", REPORT_API_PORT: port },
  });
  const { db } = node;
  const counted = async () => {
    const { rows } = await sql<{
      n: number;
    }>`select count(*)::int as n from scores where window_end is not null`.execute(db);
    return rows[0]!.n;
  };
  await until("windows have counted scores", 60_000, async () => (await counted()) >= 9);
  const file = join(node.folder, "closeness.ts");
  writeFileSync(file, "export const score = (said, truth) => ({ value: -Math.abs(said.value - truth.profit) });\n");
  const scoring = { SCORING_FUNCTION: `${file}:score` };
  await node.term("score");
  await node.start("score", scoring);
  await node.start("report", scoring);
  const almanac = async (...args: string[]): Promise<unknown> => {
    const options = { cwd: ROOT, env: { ...node.env, ...scoring } };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, "cli/main.ts"), ...args, "--json"],
      options,
    );
    return JSON.parse(stdout);
  };

  const job = rescoreJobWithDiff.parse(await almanac("rescore", "start", "--from", "2026-01-01", "--wait"));
  expect(job).toMatchObject({ status: "ready", refused: 0, actor: expect.stringMatching(/^cli:/) });
  expect(job.diff!.rows.map((r) => r.model_id).sort()).toEqual(["broken", "follower", "steady"]);
  expect(job.diff!.replaceable).toBeGreaterThanOrEqual(9);
  const asked = rescoreJob.parse(
    await almanac("rescore", "adopt", job.id, "--reason", "closeness is what we promised"),
  );
  expect(asked).toMatchObject({ adopting: true, adopt_reason: "closeness is what we promised" });
  const show = async () => rescoreJobWithDiff.parse(await almanac("rescore", "show", job.id));
  await until("it is adopted", 30_000, async () => (await show()).status === "adopted");
  expect((await show()).adopted).toBe(job.diff!.replaceable);

  const { rows } = await sql<{ hashes: string[]; off: number }>`
    select array_agg(distinct scorer_hash) as hashes, (count(*) filter (where success and value is distinct from -abs(predicted - actual)))::int as off
    from scores where current and due_at < ${job.to}`.execute(db);
  expect(rows).toEqual([{ hashes: [job.scorer_hash], off: 0 }]);
  await until("the next window has written the corrections", 60_000, async () => {
    const open =
      await sql`select 1 from scores where (window_end is not null and not current) or (counted_before and window_end is null) limit 1`.execute(
        db,
      );
    return open.rows.length === 0;
  });
  const corrections = await db.selectFrom("snapshots").select("id").where("supersedes", "is not", null).execute();
  expect(corrections.length).toBeGreaterThan(0);

  const first = await db
    .selectFrom("rounds")
    .select("id")
    .where("status", "=", "SCORED")
    .orderBy("due_at")
    .limit(1)
    .executeTakeFirstOrThrow();
  const replay = (await almanac("round", "replay", first.id)) as RoundReplay;
  expect(replay.contract.same, "it began under the contract with the first scorer").toBe(false);
  expect(replay.parts.find((p) => p.part === "scores")).toMatchObject({ verdict: "equal", note: "3 scores" });
}, 180_000);
