import { join } from "node:path";
import { expect, test } from "vitest";
import { startNode, until } from "./harness.ts";

test("callables that break after the start: each is a reason in a row, and nothing stops", async () => {
  await using node = await startNode({
    models: { steady: "steady", follower: "follower" },
    env: { COMPETITION: join(import.meta.dirname, "competitions/breaking/competition.ts") },
  });
  const { db } = node;
  const rounds = (status: "SCORED" | "UNRESOLVABLE" | "MISSED", reason: string) =>
    db.selectFrom("rounds").selectAll().where("status", "=", status).where("reason", "like", reason).execute();
  await until("a truth is given up", 60_000, async () => (await rounds("UNRESOLVABLE", "%resolver broke%")).length > 2);
  await until("an input is given up", 60_000, async () => (await rounds("MISSED", "%builder broke%")).length > 1);
  const [lost] = await rounds("MISSED", "%builder broke%");
  expect(lost!.reason).toBe("the input builder raised Error: the builder broke");

  const good = () =>
    db.selectFrom("rounds").selectAll().where("status", "=", "SCORED").where("scope_key", "like", "%-good").execute();
  const before = (await good()).length;
  await until("the other rounds go on", 60_000, async () => (await good()).length > before + 3);

  const boards = () => db.selectFrom("leaderboards").selectAll().orderBy("window_end", "desc").execute();
  await until(
    "a board follows the standard ranking",
    60_000,
    async () => "ranker_failed" in ((await boards())[0]?.meta_jsonb ?? {}),
  );
  const [board] = await boards();
  expect(board!.meta_jsonb).toMatchObject({ ranker_failed: "Error: the ranker broke" });
  expect(board!.entries_jsonb.map(({ rank }) => rank)).toEqual([1, 2]);
  const snapshot = await db
    .selectFrom("snapshots")
    .selectAll()
    .orderBy("window_end", "desc")
    .limit(1)
    .executeTakeFirstOrThrow();
  expect(snapshot.meta_jsonb).toMatchObject({ aggregator_failed: "Error: the aggregator broke" });
  expect(Object.keys(snapshot.result_summary_jsonb)).toContain("ic");
}, 240_000);
