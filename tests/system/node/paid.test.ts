import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { expect, test } from "vitest";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import { splitPool } from "../../../chain/payout/split.ts";
import { reconcileScheduleId } from "../../../domain/ids.ts";
import { type ChainProcess, startChain } from "./chain-process.ts";
import { startNode, type TestNode, until } from "./harness.ts";

const MODELS = { steady: "steady", follower: "follower", contrarian: "contrarian" } as const;
const POOL = 1_000_000_007n;
const ALL = ["orchestrator", "score,checkpoint", "feed,predict"];

const paidOf = async (node: TestNode) =>
  node.db.selectFrom("checkpoints").selectAll().where("status", "=", "PAID").orderBy("period_end").execute();
const metaOf = (row: { meta_jsonb: unknown }) => row.meta_jsonb as CheckpointMeta;

/** Everybody has, to the lamport, the sum of what the paid checkpoints give; one payment too many would never come to rest. */
async function expectBalances(chain: ChainProcess, node: TestNode): Promise<void> {
  await until("balances are the sums of the emissions", 60_000, async () => {
    const expected = new Map<string, bigint>();
    for (const checkpoint of await paidOf(node))
      for (const { to, amount } of splitPool(POOL, metaOf(checkpoint).recipients))
        expected.set(to, (expected.get(to) ?? 0n) + BigInt(amount));
    expect(expected.size).toBe(3);
    const balances = await Promise.all([...expected.keys()].map((address) => chain.balanceOf(address)));
    return balances.every((balance, i) => balance === [...expected.values()][i]);
  });
}

test("a whole competition in seconds: from the feed to recipients who have exactly their share", async () => {
  await using chain = await startChain();
  await using node = await startNode({
    models: MODELS,
    groups: ALL,
    env: { SOLANA_RPC_URL: chain.url, SOLANA_KEYPAIR_PATH: chain.keyPath, PAYOUT_POOL_LAMPORTS: String(POOL) },
  });
  await until(
    "two checkpoints with all three models are PAID",
    120_000,
    async () => (await paidOf(node)).filter((c) => metaOf(c).model_count === 3).length >= 2,
  );
  await expectBalances(chain, node);
  const paid = await paidOf(node);
  for (const checkpoint of paid.filter((c) => metaOf(c).model_count > 0)) {
    const rewards = (checkpoint.emission_jsonb as { cruncher_rewards: { reward_pct: number }[] }).cruncher_rewards;
    expect(rewards.reduce((sum, r) => sum + r.reward_pct, 0)).toBe(1_000_000_000);
    const { rows } = await sql<{ model_id: string }>`
      select model_id from snapshots where period_start >= ${checkpoint.period_start} and period_end <= ${checkpoint.period_end}
      group by model_id order by sum((result_summary_jsonb->>'value')::float8 * prediction_count) / sum(prediction_count) desc, model_id`.execute(
      node.db,
    );
    expect(
      metaOf(checkpoint).ranking.map((r) => r.model_id),
      "the ranking follows from the period's snapshots",
    ).toEqual(rows.map((r) => r.model_id));
    const steps = await node.db
      .selectFrom("checkpoint_transitions")
      .select(["from_phase", "to_phase", "to_status"])
      .where("checkpoint_id", "=", checkpoint.id)
      .orderBy("id")
      .execute();
    expect(new Set(steps.map((s) => `${s.from_phase}>${s.to_phase}`)).size).toBe(steps.length);
    expect([...new Set(steps.map((s) => s.to_status))]).toEqual(["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"]);
  }

  await node.checkpoints.schedule.getHandle(reconcileScheduleId(node.crunchId)).trigger();
  await until("the histories of closed checkpoints are stored beside them", 60_000, async () =>
    (await paidOf(node)).every((c) => c.history_jsonb !== null),
  );
}, 300_000);

test("kill -9 of the checkpoint process again and again, and of the chain: each payment once", async () => {
  await using chain = await startChain();
  await using node = await startNode({
    models: MODELS,
    groups: ALL,
    env: { SOLANA_RPC_URL: chain.url, SOLANA_KEYPAIR_PATH: chain.keyPath, PAYOUT_POOL_LAMPORTS: String(POOL) },
  });
  const open = () =>
    node.db
      .selectFrom("checkpoints")
      .select(["id", "phase"])
      .where("phase", "in", ["SIGNED", "SENT", "SEEN", "PAYING"])
      .executeTakeFirst();
  for (let i = 0; i < 3; i++) {
    await until("a transaction is on its way", 60_000, async () => (await open()) !== undefined);
    await node.kill("score,checkpoint");
    if (i === 1) {
      await chain.kill();
      await chain.start();
    }
    await delay(300 * i);
    await node.start("score,checkpoint");
  }
  await node.term("feed,predict");
  await until(
    "every checkpoint is PAID",
    150_000,
    async () =>
      (await node.db.selectFrom("checkpoints").select("id").where("status", "!=", "PAID").executeTakeFirst()) ===
      undefined,
  );
  await expectBalances(chain, node);
}, 400_000);

test("with the scorer's sign turned round, the order of the models turns round", async () => {
  await using straight = await startNode({ models: MODELS });
  await using reversed = await startNode({ models: MODELS, env: { SCORER_SIGN: "-1" } });
  const snapshots = async (node: TestNode) => {
    const rows = await node.db
      .selectFrom("snapshots")
      .select(["model_id", "period_end", "prediction_count", "result_summary_jsonb"])
      .execute();
    return new Map(
      rows.map((r) => [
        `${r.model_id}/${r.period_end.getTime()}/${r.prediction_count}`,
        Number(r.result_summary_jsonb.value),
      ]),
    );
  };
  let shared: string[] = [];
  await until("both have counted the same windows", 90_000, async () => {
    const [a, b] = [await snapshots(straight), await snapshots(reversed)];
    shared = [...a.keys()].filter((key) => b.has(key));
    return shared.length >= 9;
  });
  const [a, b] = [await snapshots(straight), await snapshots(reversed)];
  for (const key of shared) expect(b.get(key)! + a.get(key)!, key).toBeCloseTo(0, 9);
  const order = async (node: TestNode) => {
    const row = await node.db
      .selectFrom("leaderboards")
      .select("entries_jsonb")
      .orderBy("window_end", "desc")
      .executeTakeFirstOrThrow();
    return row.entries_jsonb.map((e) => [e.model_id, e.score.ranking.value] as const);
  };
  for (const node of [straight, reversed]) {
    const values = (await order(node)).map(([, value]) => value!);
    expect(values).toEqual([...values].sort((x, y) => y - x));
  }
}, 200_000);
