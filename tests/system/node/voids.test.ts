import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { sql } from "kysely";
import { pino } from "pino";
import { expect, test } from "vitest";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { SETTINGS } from "../api/world.ts";
import { startNode, until } from "./harness.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

test("almanac round void: rounds that windows had counted are taken out again by the next window, with a correction of their snapshots", async () => {
  await using node = await startNode({
    models: { steady: "steady", follower: "follower" },
    env: { CHECKPOINT_INTERVAL_SECONDS: "604800", MODEL_RUNNER_TIMEOUT_SECONDS: "1.9" },
  });
  const { db } = node;
  const competition = await loadCompetition(join(import.meta.dirname, "competitions/quick/competition.ts"), ["SP500"]);
  const settings = { ...SETTINGS, competition: node.crunchId };
  await using app = await buildServer({
    settings,
    db,
    competition,
    checks: {} as never,
    log: pino({ level: "silent" }),
  });
  const at = await app.listen({ port: 0, host: "127.0.0.1" });
  const counted = () =>
    db
      .selectFrom("scores as s")
      .innerJoin("rounds as r", "r.id", "s.round_id")
      .select(["r.due_at", "s.window_end"])
      .where("s.window_end", "is not", null)
      .where("s.current", "=", true)
      .orderBy("r.due_at")
      .execute();
  await until("windows have counted eight scores", 60_000, async () => (await counted()).length >= 8);
  const first = (await counted())[0]!;
  const span = { from: first.due_at.toISOString(), to: new Date(first.due_at.getTime() + 2_001).toISOString() };
  const args = ["round", "void", "--from", span.from, "--to", span.to, "--reason", "the exchange was down", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, "cli/main.ts"), ...args, "--node", at], {
    cwd: ROOT,
  });
  const done = JSON.parse(stdout);
  expect(done).toMatchObject({ rounds: 3, predictions: 6, scores: 6 });
  const voided = await db
    .selectFrom("rounds")
    .select(["id", "reason", "void_id"])
    .where("status", "=", "VOIDED")
    .execute();
  expect(voided).toHaveLength(3);
  for (const round of voided) expect(round).toMatchObject({ reason: "the exchange was down", void_id: done.id });

  await until("the next window has taken them back", 60_000, async () => {
    const { rows } = await sql`select 1 from scores where window_end is not null and not current limit 1`.execute(db);
    return rows.length === 0;
  });
  const corrections = await db.selectFrom("snapshots").select("id").where("supersedes", "is not", null).execute();
  expect(corrections.length).toBeGreaterThan(0);
  const { rows } = await sql<{ held: string; shown: string }>`
    select (select count(value) from scores where window_end is not null and current) as held,
      (select coalesce(sum(prediction_count), 0) from snapshots s
        where not exists (select 1 from snapshots newer where newer.supersedes = s.id)) as shown`.execute(db);
  expect(rows[0]!.shown, "snapshots add up to the scores that are left").toBe(rows[0]!.held);
  const again = await app.inject({ method: "POST", url: "/v1/voids", payload: { ...span, reason: "again" } });
  expect(again.statusCode).toBe(409);
  const [act] = await db.selectFrom("audit_log").selectAll().where("action", "=", "rounds.void").execute();
  expect(act).toMatchObject({ actor: expect.stringMatching(/^cli:/), subject: `void/${done.id}` });
}, 180_000);
