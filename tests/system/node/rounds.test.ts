import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { startNode, type TestNode, until } from "./harness.ts";
import { expectNothingLost, settled } from "./invariants.ts";

const FOUR = { steady: "steady", follower: "follower", contrarian: "contrarian", second: "follower" } as const;
const scored = (node: TestNode, atLeast: number) =>
  until(
    `${atLeast} rounds are scored`,
    60_000,
    async () =>
      (await node.db.selectFrom("rounds").select("id").where("status", "=", "SCORED").execute()).length >= atLeast,
  );

describe("a competition in seconds", () => {
  test("rounds are collected, resolved and scored; windows snapshot and rank them; equal models share a rank", async () => {
    await using node = await startNode({ models: FOUR, env: { MODEL_RUNNER_TIMEOUT_SECONDS: "1.9" } });
    await scored(node, 8);
    const untilMs = Date.now() - 1_000;
    await settled(node.db, untilMs);
    await until("a leaderboard of four", 30_000, async () => ((await lastBoard(node))?.length ?? 0) === 4);
    await expectNothingLost(node.db, { everyMs: 1_000, models: 4, untilMs });
    const board = (await lastBoard(node))!;
    const follower = board.find((row) => row.model_id === "follower")!;
    const second = board.find((row) => row.model_id === "second")!;
    const contrarian = board.find((row) => row.model_id === "contrarian")!;
    expect(follower.rank).toBe(second.rank);
    expect(follower.score.ranking.value).toBeCloseTo(-contrarian.score.ranking.value!, 9);
    expect(Object.keys(follower.score.metrics)).toEqual(
      expect.arrayContaining([
        "score_recent",
        "score_steady",
        "score_anchor",
        "ic",
        "mean_return",
        "hit_rate",
        "max_drawdown",
        "sortino_ratio",
      ]),
    );
    expect(follower.windows.score_recent).toMatchObject({ hours: 24, partial: true });
  });

  test("every round's history shows collect with its counts", async () => {
    await using node = await startNode({ models: { steady: "steady", raises: "raises" } });
    await scored(node, 2);
    const round = await node.db
      .selectFrom("rounds")
      .selectAll()
      .where("status", "=", "SCORED")
      .where("counts_jsonb", "@>", JSON.stringify({ called: 2 }) as never)
      .orderBy("due_at", "desc")
      .executeTakeFirstOrThrow();
    expect(round.counts_jsonb).toEqual({ called: 2, answered: 1, failed: 1, timed_out: 0, absent: 0 });
    const history = await node.temporal.workflow.getHandle(round.id).fetchHistory();
    const markers = (history.events ?? []).flatMap((e) => e.markerRecordedEventAttributes ?? []);
    const recorded = markers
      .flatMap((m) => Object.values(m.details ?? {}).flatMap((p) => p.payloads ?? []))
      .map((p) => Buffer.from(p.data ?? []).toString());
    expect(recorded.some((text) => text.includes('"called":2') && text.includes('"failed":1'))).toBe(true);
  });
});

async function lastBoard(node: TestNode) {
  const row = await node.db
    .selectFrom("leaderboards")
    .select("entries_jsonb")
    .orderBy("window_end", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.entries_jsonb;
}

test("with the head start switched off, the workflow's activity stores the same rows", async () => {
  const models = { steady: "steady", follower: "follower", raises: "raises" } as const;
  await using ahead = await startNode({ models });
  await using without = await startNode({ models, env: { PREDICT_HEAD_START: "false" } });
  const rows = (node: TestNode) =>
    sql<{ due_at: Date; model_id: string }>`
      select p.due_at, p.model_id, p.status, p.reason, p.scope_key, p.scope_jsonb, p.inference_output_jsonb, p.resolvable_at, i.hash as input_hash
      from predictions p join rounds r on r.id = p.round_id join inputs i on i.id = r.input_id
      where r.counts_jsonb->>'called' = '3' and r.status = 'SCORED' order by p.due_at, p.model_id`
      .execute(node.db)
      .then((r) => r.rows);
  const shownIn = async (node: TestNode) => new Set((await rows(node)).map((r) => r.due_at.getTime()));
  let both = new Set<number>();
  await until("three rounds are scored on both", 90_000, async () => {
    both = (await shownIn(ahead)).intersection(await shownIn(without));
    return both.size >= 3;
  });
  const [a, b] = await Promise.all([rows(ahead), rows(without)]);
  const shared = (list: typeof a) => list.filter((r) => both.has(r.due_at.getTime()));
  expect(shared(b)).toEqual(shared(a));
});

test("a model that hangs 30 s under a deadline of 60 s: no workflow-task timeout, fewer than 20 events, everybody is stored", async () => {
  await using node = await startNode({
    models: { steady: "steady", hangs: "hangs" },
    env: { MODEL_RUNNER_TIMEOUT_SECONDS: "60", QUICK_EVERY_MS: "10000", QUICK_HORIZON_MS: "119000" },
  });
  const answered = () =>
    node.db
      .selectFrom("predictions")
      .select("round_id")
      .where("model_id", "=", "hangs")
      .where("status", "=", "PENDING")
      .executeTakeFirst();
  await until("the slow model has answered a round", 90_000, async () => (await answered()) !== undefined);
  const { round_id: id } = (await answered())!;
  const history = await node.temporal.workflow.getHandle(id).fetchHistory();
  expect(history.events!.some((e) => e.workflowTaskTimedOutEventAttributes)).toBe(false);
  expect(history.events!.some((e) => e.activityTaskScheduledEventAttributes?.activityType?.name === "collect")).toBe(
    true,
  );
  expect(history.events!.length).toBeLessThan(20);
  const predictions = await node.db
    .selectFrom("predictions")
    .select(["model_id", "status"])
    .where("round_id", "=", id)
    .orderBy("model_id")
    .execute();
  expect(predictions).toEqual([
    { model_id: "hangs", status: "PENDING" },
    { model_id: "steady", status: "PENDING" },
  ]);
  const skipped = await node.db
    .selectFrom("predictions")
    .select(["status", "reason"])
    .where("model_id", "=", "hangs")
    .where("round_id", "!=", id)
    .executeTakeFirst();
  expect(skipped?.status === "ABSENT" && /BUSY/.test(skipped.reason ?? "")).toBe(true);
}, 180_000);

describe("models that misbehave stay their own problem", () => {
  test("raise, exit, NaN, wrong shape, 50 MB, hang, an output that the scorer cannot bear: each has its reason, good neighbours are scored", async () => {
    await using node = await startNode({
      models: {
        a_good: "steady",
        raises: "raises",
        exits: "exits",
        nan: "notANumber",
        shape: "wrongShape",
        huge: "huge",
        hangs: "hangs",
        unbearable: "unbearable",
        z_good: "follower",
      },
      env: {
        MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: "0",
        MODEL_RUNNER_MAX_CONSECUTIVE_TIMEOUTS: "0",
        QUICK_EVERY_MS: "2000",
      },
    });
    await scored(node, 4);
    const round = await node.db
      .selectFrom("rounds")
      .selectAll()
      .where("status", "=", "SCORED")
      .orderBy("due_at", "desc")
      .executeTakeFirstOrThrow();
    const all = await node.db.selectFrom("predictions").select(["model_id", "status", "reason", "round_id"]).execute();
    const reasons = (model: string, status: string) =>
      all.filter((p) => p.model_id === model && p.status === status).map((p) => p.reason ?? "");
    expect(all.filter((p) => p.round_id === round.id)).toHaveLength(9);
    for (const good of ["a_good", "z_good"])
      expect(all.filter((p) => p.round_id === round.id && p.model_id === good)[0]!.status).toBe("SCORED");
    expect(reasons("raises", "FAILED").some((r) => r.includes("I cannot do this") || r.includes("ValueError"))).toBe(
      true,
    );
    expect(reasons("nan", "FAILED").some((r) => /NOT_FINITE|NaN|finite/i.test(r))).toBe(true);
    expect(reasons("shape", "FAILED").some((r) => r.includes("output refused"))).toBe(true);
    expect(reasons("huge", "FAILED").some((r) => /TOO_LARGE|large/i.test(r))).toBe(true);
    expect(reasons("exits", "FAILED").length + reasons("exits", "ABSENT").length).toBeGreaterThan(0);
    expect(reasons("hangs", "TIMEOUT").length).toBeGreaterThan(0);
    expect(reasons("unbearable", "FAILED").some((r) => r.includes("the scorer refused it 3 times"))).toBe(true);
    const letters = await node.db.selectFrom("dead_letters").select("model_id").execute();
    expect(new Set(letters.map((l) => l.model_id))).toEqual(new Set(["unbearable"]));
  });
});
