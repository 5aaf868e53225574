import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { z } from "zod";
import { sealOf } from "../../../activities/seal.ts";
import { cliFormatFile, latestPrizes, prizeList, rewardRow } from "../../../api/contract/checkpoint-reports.ts";
import { emission } from "../../../api/contract/checkpoints.ts";
import { type WhatIfAnswer, whatIfAnswer } from "../../../api/contract/what-if.ts";
import type { App } from "../../../api/deps.ts";
import { buildServer } from "../../../api/server.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { type LoadedCompetition, loadCompetition } from "../../../competitions/load.ts";
import { insertSealed } from "../../../db/checkpoints.ts";
import { type Fresh, freshDatabase, SETTINGS } from "./world.ts";

const START_MS = Date.UTC(2026, 0, 5);
const MINUTE_MS = 60_000;
const PERIOD = { startMs: START_MS, endMs: START_MS + 4 * MINUTE_MS };
const ID = "CKP_20260105_000400";
const COMPUTE = "ComputeProv11111111111111111111111111111111";
/** anna has two models; value of each model in each of five windows, the last one after the period. */
const FIELD = [
  { id: "m1", cruncher: "anna", values: [9, 9, 1, 1, 0] },
  { id: "m2", cruncher: "bert", values: [5, 5, 5, 5, 0] },
  { id: "m3", cruncher: "anna", values: [1, 1, 1, 1, 0] },
  { id: "m4", cruncher: "cleo", values: [0, 0, 8, 8, 9] },
];

async function fill(db: Fresh["db"]): Promise<void> {
  for (const { id, cruncher } of FIELD)
    await db
      .insertInto("models")
      .values({ id, name: `model ${id}`, deployment_identifier: id, player_id: `c-${cruncher}`, player_name: cruncher })
      .execute();
  for (let w = 0; w < 5; w++) {
    const [start, end] = [0, 1].map((k) => new Date(START_MS + (w + k) * MINUTE_MS)) as [Date, Date];
    await db.insertInto("scoring_windows").values({ start_at: start, end_at: end, status: "COMMITTED" }).execute();
    const rows = FIELD.map(({ id, values }) => ({
      ...{ id: `SNAP_${id}_${w}`, model_id: id, window_end: end, period_start: start, period_end: end },
      ...{ supersedes: null, prediction_count: 10, content_hash: "ab".repeat(32) },
      result_summary_jsonb: JSON.stringify({ value: values[w], ic: values[w]! / 100 }),
    }));
    await db.insertInto("snapshots").values(rows).execute();
  }
}

let [fresh, loaded, app, peer]: [Fresh, LoadedCompetition, App, App] = [] as never;
const server = (change: Partial<Competition> = {}): Promise<App> =>
  buildServer({
    ...{ settings: SETTINGS, db: fresh.db, checks: {}, log: pino({ level: "silent" }) },
    now: () => START_MS + 5 * MINUTE_MS,
    competition: { ...loaded, competition: { ...loaded.competition, ...change } },
  });

beforeAll(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  loaded = await loadCompetition("competitions/realtime/competition.ts", ["SP500"]);
  await fill(fresh.db);
  const contract = { ...loaded.competition, ranking: { key: "overall", direction: "desc" as const } };
  const settings = { crunch: "crunch", contract, computeProvider: COMPUTE, dataProvider: "" };
  const sealed = await sealOf(fresh.db, localRegistry, settings, PERIOD);
  await fresh.db.transaction().execute((tx) => insertSealed(tx, sealed, { actor: "node", cause: "test" }));
  [app, peer] = await Promise.all([server(), server({ compat: "crunch-node" })]);
});
afterAll(async () => {
  await Promise.all([app?.close(), peer?.close()]);
  await fresh?.[Symbol.asyncDispose]();
});

const answer = async <T>(on: App, schema: z.ZodType<T>, url: string): Promise<T> => {
  const response = await on.inject({ url });
  expect(response.statusCode, response.body).toBe(200);
  expect(schema.parse(response.json())).toEqual(response.json());
  return schema.parse(response.json());
};

/** Means: m1 5, m2 5, m4 4, m3 1. Two firsts share 45 %, the next two have 10 %, and each a quarter of the 35 % that nobody takes. */
const SHARES = { m1: 312_500_000, m2: 312_500_000, m4: 187_500_000, m3: 187_500_000 };

describe("reports of a checkpoint", () => {
  it("say what each model got, by percent", async () => {
    const rows = await answer(app, z.array(rewardRow), "/reports/checkpoints/rewards");
    expect(rows.map((r) => [r.model_id, r.rank, r.reward_pct, r.prediction_count, r.value])).toEqual([
      ["m1", 1, 31.25, 40, 5],
      ["m2", 1, 31.25, 40, 5],
      ["m4", 3, 18.75, 40, 4],
      ["m3", 4, 18.75, 40, 1],
    ]);
    expect(await answer(app, z.array(rewardRow), "/reports/checkpoints/rewards?model_id=m4&limit=1")).toHaveLength(1);
  });

  it("name wallets and the chain's indices to whoever writes on chain, never places of the ranking", async () => {
    const crunchers = await localRegistry.resolve(["anna", "bert", "cleo"].map((name) => ({ id: `c-${name}`, name })));
    const wallet = (name: string) => crunchers.get(`c-${name}`)!.address;
    expect(await answer(app, cliFormatFile, `/reports/checkpoints/${ID}/emission/cli-format`)).toEqual({
      crunch: "crunch",
      crunchEmission: { [wallet("anna")]: 50, [wallet("bert")]: 31.25, [wallet("cleo")]: 18.75 },
      computeProvider: { [COMPUTE]: 100 },
      dataProvider: {},
    });
  });

  it("sum to exactly everything, each cruncher once", async () => {
    const { cruncher_rewards } = await answer(app, emission, `/reports/checkpoints/${ID}/emission`);
    expect(cruncher_rewards.reduce((sum, r) => sum + r.reward_pct, 0)).toBe(1_000_000_000);
    expect(cruncher_rewards.map((r) => r.cruncher_index).sort()).toEqual([0, 1, 2]);
  });

  it("give prizes that sum to the total, and to what each cruncher is paid", async () => {
    for (const total of [0, 1, 3, 100, 12_345_678_901]) {
      const prizes = await answer(app, prizeList, `/reports/checkpoints/${ID}/prizes?total_prize=${total}`);
      expect(prizes.map((p) => p.model)).toEqual(["m1", "m2", "m4", "m3"]);
      expect(prizes.reduce((sum, p) => sum + p.prize, 0)).toBe(total);
    }
    const latest = await answer(app, latestPrizes, "/reports/checkpoints/latest/prizes?total_prize=1000000");
    expect(latest).toMatchObject({ checkpoint_id: ID, status: "PENDING", total_prize: 1_000_000 });
    expect(latest.prizes).toEqual(
      Object.entries(SHARES).map(([model, frac64]) => ({
        ...{ prizeId: `${ID}-${model}`, timestamp: PERIOD.endMs / 1_000, model, prize: frac64 / 1_000 },
      })),
    );
  });

  it.each(["1.5", "-1", "1e3", "99999999999999999", "x", ""])("refuse a total of %j", async (total) => {
    const response = await app.inject({ url: `/reports/checkpoints/${ID}/prizes?total_prize=${total}` });
    expect([response.statusCode, response.body]).toEqual([422, expect.stringContaining("total_prize")]);
  });

  it("are the public node's, faults included, in a competition that says so", async () => {
    const file = await answer(peer, cliFormatFile, `/reports/checkpoints/${ID}/emission/cli-format`);
    expect(file.crunchEmission).toEqual({ m1: 31.25, m2: 31.25, m3: 18.75, m4: 18.75 });
    const prizes = await answer(peer, prizeList, `/reports/checkpoints/${ID}/prizes?total_prize=2`);
    expect(prizes.map((p) => p.prize)).toEqual([1, 1, 0, 0]);
    const rows = await answer(peer, z.array(rewardRow), "/reports/checkpoints/rewards");
    expect(rows.map((r) => r.reward_pct)).toEqual([31.25, 31.25, 18.75, 18.75]);
  });

  it("of a checkpoint that is not there, or void, are 404", async () => {
    for (const path of ["prizes", "emission/cli-format"])
      expect((await app.inject({ url: `/reports/checkpoints/CKP_1/${path}` })).statusCode).toBe(404);
  });
});

describe("what if", () => {
  const ask = async (body: object, path = "/v1/checkpoints/latest/what-if", on = app): Promise<WhatIfAnswer> => {
    const response = await on.inject({ method: "POST", url: path, payload: body });
    expect(response.statusCode, response.body).toBe(200);
    expect(whatIfAnswer.parse(response.json())).toEqual(response.json());
    return whatIfAnswer.parse(response.json());
  };
  const sharesAfter = ({ crunchers }: WhatIfAnswer) =>
    Object.fromEntries(crunchers.map((c) => [c.cruncher_name, Number(c.frac64.after)]));
  const rows = async () =>
    (await fresh.db.selectFrom("checkpoints").selectAll().execute()).map((row) => JSON.stringify(row)).join();

  it("nothing were changed: the same", async () => {
    const { crunchers, models, rule } = await ask({});
    expect(rule.after).toEqual(rule.before);
    expect(crunchers.map((c) => c.frac64)).toEqual(
      ["500000000", "312500000", "187500000"].map((s) => ({ before: s, after: s, difference: "0" })),
    );
    expect(models.map((m) => [m.model_id, m.rank.before, m.rank.after])).toEqual([
      ["m1", 1, 1],
      ["m2", 1, 1],
      ["m4", 3, 3],
      ["m3", 4, 4],
    ]);
  });
  it("other tiers", async () => {
    const stored = await rows();
    const { crunchers, rule } = await ask({ tiers: [50, 30, 20] });
    expect(rule).toMatchObject({ before: { strategy: "tier" }, after: { strategy: "tier", tiers: [50, 30, 20] } });
    expect(crunchers.map((c) => [c.cruncher_name, c.frac64.after, c.frac64.difference])).toEqual([
      ["anna", "400000000", "-100000000"],
      ["bert", "400000000", "87500000"],
      ["cleo", "200000000", "12500000"],
    ]);
    expect(await rows()).toBe(stored);
  });
  it("by contribution", async () => {
    const answered = await ask({
      strategy: "contribution_weighted",
      weights: { rank: 1, contribution: 0, diversity: 0 },
    });
    expect(answered.rule.after).toMatchObject({ strategy: "contribution_weighted", minPercent: 1 });
    expect(Object.values(sharesAfter(answered)).reduce((a, b) => a + b, 0)).toBe(1_000_000_000);
  });
  it("without a cruncher, or one of its models", async () => {
    expect(sharesAfter(await ask({ exclude: ["anna"], tiers: [60, 40] }))).toEqual({ bert: 6e8, cleo: 4e8, anna: 0 });
    expect(sharesAfter(await ask({ exclude: ["m1"], tiers: [60, 40] }))).toEqual({ bert: 6e8, cleo: 4e8, anna: 0 });
    expect(sharesAfter(await ask({ exclude: ["m1"], tiers: [60, 30, 10] }))).toEqual({
      bert: 6e8,
      cleo: 3e8,
      anna: 1e8,
    });
  });
  it("over a part of the period", async () => {
    const half = new Date(START_MS + 2 * MINUTE_MS).toISOString();
    const first = await ask({ to: half, tiers: [100] });
    expect(first).toMatchObject({ from: new Date(START_MS).toISOString(), to: half });
    expect(sharesAfter(first)).toEqual({ anna: 1e9, bert: 0, cleo: 0 }); // m1 has 9, 9
    expect(sharesAfter(await ask({ from: half, tiers: [100] }))).toEqual({ cleo: 1e9, anna: 0, bert: 0 }); // m4 has 8, 8
  });
  it("the open period were sealed now", async () => {
    const open = await ask({ tiers: [100] }, "/v1/what-if");
    expect(open).toMatchObject({ checkpoint: null, from: new Date(PERIOD.endMs).toISOString() });
    expect(sharesAfter(open)).toEqual({ cleo: 1e9, anna: expect.any(Number), bert: expect.any(Number) });
    expect(open.models.map((m) => m.rank.after)).toEqual([1, 2, 2, 2]);
  });
  it("a contract's own emission is asked again where the ranking is another, and named where it fails", async () => {
    const own = await server({ buildEmission: (ranking) => ({ [ranking[0]!.modelId]: 1 }) });
    const broken = await server({
      buildEmission: () => {
        throw new Error("no idea");
      },
    });
    expect(sharesAfter(await ask({}, "/v1/what-if", own))).toEqual({ cleo: 1e9 });
    const refused = await broken.inject({ method: "POST", url: "/v1/what-if", payload: {} });
    expect([refused.statusCode, refused.body]).toEqual([409, expect.stringContaining("buildEmission throws no idea")]);
    await Promise.all([own.close(), broken.close()]);
  });

  it.each([
    [{ tiers: [20, 30] }, "place 2 has more than place 1"],
    [{ tiers: [50], weights: { rank: 1, contribution: 1, diversity: 1 } }, "tiers: belong to the strategy tier"],
    [{ strategy: "tier", min_percent: 1 }, "strategy: tier takes tiers only"],
    [{ exclude: ["dora", "m1"] }, "no ranked model or cruncher is called dora"],
    [{ from: "2026-01-04T00:00:00Z" }, "must lie inside the period"],
    [{ to: "2026-01-05T00:00:00Z" }, "must lie inside the period"],
    [{ tierz: [100] }, "tierz"],
  ])("%j is refused", async (body, message) => {
    const response = await app.inject({ method: "POST", url: `/v1/checkpoints/${ID}/what-if`, payload: body });
    expect(response.statusCode, response.body).toBe(400);
    expect(response.json().detail).toContain(message);
  });
});
