import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { insertRound, moveRound } from "../../../db/rounds.ts";
import { reconcileScheduleId, windowId, windowScheduleId } from "../../../domain/ids.ts";
import { startNode, type TestNode, until } from "./harness.ts";
import { expectNothingLost, settled } from "./invariants.ts";
import { fragilePostgres, fragileTemporal } from "./servers.ts";

const MODELS = { steady: "steady", follower: "follower", contrarian: "contrarian" } as const;
const EVERY_MS = 1_000;
const roundsScored = async (node: TestNode) =>
  (await node.db.selectFrom("rounds").select("id").where("status", "=", "SCORED").execute()).length;
const scored = (node: TestNode, atLeast: number, withinMs = 60_000) =>
  until(`${atLeast} rounds are scored`, withinMs, async () => (await roundsScored(node)) >= atLeast);
/** Beats the schedule of reconcile now instead of in two minutes. */
const reconcileNow = (node: TestNode) => node.temporal.schedule.getHandle(reconcileScheduleId(node.crunchId)).trigger();

/** Meets a round in the middle of its collection: needs a model that ponders. */
const collecting = (node: TestNode) =>
  until("a round is being collected", 20_000, async () => {
    const rounds = node.db.selectFrom("rounds").select("id").where("status", "=", "COLLECTING");
    return (await rounds.executeTakeFirst()) !== undefined;
  });

/** After the fault: the node goes on, a pass of reconcile repairs, and nothing is lost. */
async function recovers(node: TestNode): Promise<void> {
  await scored(node, (await roundsScored(node)) + 3, 90_000);
  const untilMs = Date.now() - 3_000; // the youngest may still be run late
  await until("reconcile finds every due time", 60_000, async () => {
    await reconcileNow(node);
    await delay(2_000);
    const { rows } = await sql<{ gaps: string }>`
      select ((extract(epoch from max(due_at) - min(due_at)) * 1000)::bigint / ${EVERY_MS}::int + 1) - count(*) gaps from rounds where due_at <= ${new Date(untilMs)}`.execute(
      node.db,
    );
    return Number(rows[0]!.gaps) === 0;
  });
  await settled(node.db, untilMs);
  await until("windows have passed", 60_000, async () => {
    const row = await node.db
      .selectFrom("scoring_windows")
      .select("end_at")
      .where("status", "=", "COMMITTED")
      .orderBy("end_at", "desc")
      .executeTakeFirst();
    return (row?.end_at.getTime() ?? 0) > untilMs + 2_000;
  });
  await expectNothingLost(node.db, { everyMs: EVERY_MS, models: 3, untilMs });
}

describe("kill -9", () => {
  test("of the predict process in the middle of rounds", async () => {
    await using node = await startNode({ models: { ...MODELS, contrarian: "ponders" } });
    await scored(node, 2);
    for (let i = 0; i < 3; i++) {
      await collecting(node);
      await node.kill("feed,predict");
      await delay(i * 700);
      await node.start("feed,predict");
    }
    await recovers(node);
  }, 240_000);

  test("of the score process in the middle of windows", async () => {
    await using node = await startNode({ models: MODELS });
    await scored(node, 2);
    for (let i = 0; i < 4; i++) {
      await delay(500 + 400 * i);
      await node.kill("score");
      await node.start("score");
    }
    await recovers(node);
    const { rows } = await sql<{
      n: string;
    }>`select count(*) n from (select model_id, period_end from snapshots group by 1, 2 having count(*) > 1) x`.execute(
      node.db,
    );
    expect(Number(rows[0]!.n)).toBe(0);
  }, 240_000);

  test("of Temporal: rounds go on from their rows, nothing is scored twice", async () => {
    await using temporal = await fragileTemporal();
    await using node = await startNode({ models: MODELS, temporalAddress: temporal.at });
    await scored(node, 2);
    await temporal.kill();
    await delay(3_000);
    await temporal.start();
    await recovers(node);
    const missed = await node.db.selectFrom("rounds").select("id").where("status", "=", "MISSED").execute();
    expect(missed.length).toBeLessThan(10);
  }, 240_000);

  test("of PostgreSQL: what was answered is there, the feed fills its gap", async () => {
    await using postgres = await fragilePostgres();
    await using node = await startNode({ models: MODELS, databaseUrl: postgres.at });
    await scored(node, 2);
    const before = await node.db
      .selectFrom("predictions")
      .select(["round_id", "model_id", "inference_output_jsonb"])
      .where("status", "=", "SCORED")
      .execute();
    await postgres.kill();
    await delay(2_000);
    await postgres.start();
    await recovers(node);
    const after = await node.db
      .selectFrom("predictions")
      .select(["round_id", "model_id", "inference_output_jsonb"])
      .where("status", "=", "SCORED")
      .execute();
    expect(after).toEqual(expect.arrayContaining(before));
    const { rows } = await sql<{ holes: string }>`
      select count(*) holes from (select ts_event, lead(ts_event) over (order by ts_event) next from feed_records) x where next - ts_event <> interval '200 milliseconds'`.execute(
      node.db,
    );
    expect(Number(rows[0]!.holes)).toBe(0);
  }, 240_000);
});

describe("terminate, cancel, reset and delete in Temporal are faults like any other", () => {
  test("of a round: the row decides, reconcile takes it up again", async () => {
    await using node = await startNode({ models: MODELS, env: { QUICK_HORIZON_MS: "6000" } });
    const waiting = () =>
      node.db
        .selectFrom("rounds")
        .select(["id", "resolve_at"])
        .where("status", "=", "WAITING")
        .where("resolve_at", ">", new Date(Date.now() + 4_000))
        .orderBy("due_at", "desc")
        .executeTakeFirst();
    const hurt = new Map<string, string>();
    const acts = {
      terminate: (id: string) => node.temporal.workflow.getHandle(id).terminate("a click in the UI"),
      cancel: (id: string) => node.temporal.workflow.getHandle(id).cancel(),
      delete: (id: string) =>
        node.temporal.workflowService.deleteWorkflowExecution({
          namespace: "almanac",
          workflowExecution: { workflowId: id },
        }),
      reset: async (id: string) => {
        const finished = async () => {
          const { events } = await node.temporal.workflow.getHandle(id).fetchHistory();
          return events?.find((e) => e.workflowTaskCompletedEventAttributes)?.eventId;
        };
        await until("its first workflow task is finished", 10_000, async () => (await finished()) != null);
        const workflowTaskFinishEventId = (await finished())!;
        await node.temporal.workflowService.resetWorkflowExecution({
          namespace: "almanac",
          workflowExecution: { workflowId: id },
          workflowTaskFinishEventId,
          requestId: crypto.randomUUID(),
          reason: "a click",
        });
      },
    };
    for (const [name, act] of Object.entries(acts)) {
      await until("a round waits", 30_000, async () => {
        const r = await waiting();
        return r !== undefined && !hurt.has(r.id);
      });
      const { id } = (await waiting())!;
      // The collection may be over a moment before its workflow is there.
      await until("its workflow has started", 10_000, () =>
        node.temporal.workflow
          .getHandle(id)
          .describe()
          .then(
            () => true,
            () => false,
          ),
      );
      await act(id);
      hurt.set(id, name);
    }
    await delay(3_000);
    await reconcileNow(node);
    for (const [id, name] of hurt)
      await until(`the round that met "${name}" is scored`, 40_000, async () => {
        const row = await node.db.selectFrom("rounds").select("status").where("id", "=", id).executeTakeFirst();
        return row?.status === "SCORED";
      });
    for (const id of hurt.keys())
      expect(await node.db.selectFrom("scores").select("model_id").where("round_id", "=", id).execute()).toHaveLength(
        3,
      );
  }, 180_000);

  test("of a window: built once, by whoever comes back", async () => {
    await using node = await startNode({ models: MODELS, env: { SCORE_INTERVAL_SECONDS: "5" } });
    await scored(node, 2);
    await until(
      "a window is committed",
      30_000,
      async () =>
        (await node.db
          .selectFrom("scoring_windows")
          .select("end_at")
          .where("status", "=", "COMMITTED")
          .executeTakeFirst()) !== undefined,
    );
    await node.temporal.schedule.getHandle(windowScheduleId(node.crunchId)).pause();
    await delay(1_000);
    const last = await node.db
      .selectFrom("scoring_windows")
      .select("end_at")
      .orderBy("end_at", "desc")
      .executeTakeFirstOrThrow();
    const endMs = last.end_at.getTime() + 5_000;
    await delay(Math.max(0, endMs - Date.now()) + 200);
    const id = windowId(node.crunchId, endMs);
    await holdOpen(node, endMs);
    for (const hurt of ["terminate", "delete", "cancel"] as const) {
      await reconcileNow(node);
      await until("the window's workflow was started", 20_000, async () =>
        node.temporal.workflow
          .getHandle(id)
          .describe()
          .then(
            () => true,
            () => false,
          ),
      );
      const handle = node.temporal.workflow.getHandle(id);
      if (hurt === "terminate") await handle.terminate("a click").catch(() => undefined); // it may have ended well already
      if (hurt === "cancel") await handle.cancel().catch(() => undefined);
      if (hurt === "delete")
        await node.temporal.workflowService.deleteWorkflowExecution({
          namespace: "almanac",
          workflowExecution: { workflowId: id },
        });
      await delay(1_000);
    }
    await node.db.deleteFrom("rounds").where("scope_key", "=", "HOLD").execute();
    await node.temporal.schedule.getHandle(windowScheduleId(node.crunchId)).unpause();
    await reconcileNow(node);
    await recovers(node);
    const row = await node.db
      .selectFrom("scoring_windows")
      .select("status")
      .where("end_at", "=", new Date(endMs))
      .executeTakeFirst();
    expect(row?.status).toBe("COMMITTED");
    expect(
      await node.db.selectFrom("leaderboards").select("id").where("window_end", "=", new Date(endMs)).execute(),
    ).toHaveLength(1);
  }, 240_000);
});

/** A round inside the window whose truth cannot come yet: its window waits, however often its workflow is started. */
async function holdOpen(node: TestNode, endMs: number): Promise<void> {
  const { contract_hash: contractHash } = await node.db
    .selectFrom("rounds")
    .select("contract_hash")
    .executeTakeFirstOrThrow();
  const round = {
    id: `round/${node.crunchId}/HOLD/${endMs}`,
    scopeKey: "HOLD",
    scope: { subject: "NOBODY" },
    contractHash,
  };
  const times = {
    dueMs: endMs - 2_000,
    deadlineMs: endMs - 1_500,
    resolveAtMs: endMs - 1_000,
    giveUpAtMs: endMs + 120_000,
  };
  await insertRound(node.db, { ...round, ...times, status: "COLLECTING" });
  await moveRound(node.db, round.id, "COLLECTING", "WAITING");
}

test("a due time that nobody was there for is stored as MISSED, with its models ABSENT for the node's reason", async () => {
  await using node = await startNode({ models: MODELS });
  await scored(node, 2);
  await node.term("feed,predict");
  await delay(4_000);
  await node.start("feed,predict");
  await recovers(node);
  const missed = await node.db.selectFrom("rounds").select(["id", "reason"]).where("status", "=", "MISSED").execute();
  expect(missed.length).toBeGreaterThanOrEqual(2);
  expect(missed.every((r) => (r.reason ?? "").length > 10)).toBe(true);
  const rows = await node.db
    .selectFrom("predictions")
    .select(["status", "reason"])
    .where(
      "round_id",
      "in",
      missed.map((r) => r.id),
    )
    .execute();
  expect(rows.every((p) => p.status === "ABSENT" && p.reason!.startsWith("missed round: "))).toBe(true);
  expect(
    await node.db
      .selectFrom("scores")
      .select("id")
      .where(
        "round_id",
        "in",
        missed.map((r) => r.id),
      )
      .execute(),
  ).toEqual([]);
}, 180_000);

test("everything works, only slower, on a Temporal that the user started without any flag", async () => {
  await using temporal = await fragileTemporal({ plain: true });
  await using node = await startNode({ models: MODELS, temporalAddress: temporal.at });
  await scored(node, 3, 90_000);
  await recovers(node);
}, 240_000);

test("SIGTERM drains: no new rounds, the open one is stored, exit 0 in time, another process takes over", async () => {
  await using node = await startNode({ models: { ...MODELS, steady: "follower", contrarian: "ponders" } });
  await scored(node, 2);
  await collecting(node);
  const asked = Date.now();
  expect(await node.term("feed,predict")).toBe(0);
  expect(Date.now() - asked).toBeLessThan(10_000);
  expect(await node.db.selectFrom("rounds").select("id").where("status", "=", "COLLECTING").execute()).toEqual([]);
  expect(await node.term("score")).toBe(0);
  await node.start("score");
  await node.start("feed,predict");
  await recovers(node);
}, 240_000);
