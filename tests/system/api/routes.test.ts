import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  checkpointPayload,
  checkpointRow,
  checkpointView,
  emission,
  latestEmission,
  transitionList,
} from "../../../api/contract/checkpoints.ts";
import { legacyError, problem } from "../../../api/contract/common.ts";
import { feedRow, feedTailRow } from "../../../api/contract/feeds.ts";
import { globalRow, leaderboardRow, leaderboardView, paramsRow } from "../../../api/contract/leaderboard.ts";
import { modelMetricsRow, modelRow } from "../../../api/contract/models.ts";
import { health, liveness, nodeInfo, readiness } from "../../../api/contract/node.ts";
import { overview } from "../../../api/contract/overview.ts";
import { payoutList } from "../../../api/contract/payouts.ts";
import { predictionRow } from "../../../api/contract/predictions.ts";
import { leaderboardColumn, metricsWidget, reportSchema } from "../../../api/contract/report-schema.ts";
import { roundList, roundView } from "../../../api/contract/rounds.ts";
import { snapshotRow } from "../../../api/contract/snapshots.ts";
import { MODELS, SCOPE_KEY } from "./seed-models.ts";
import { seededNode } from "./seeded-node.ts";

const ROUNDS = 60;
const node = seededNode(ROUNDS);
const { get, json } = node;
/** An answer has what its schema says and nothing else; loose rows may hold more. */
const shaped = (schema: z.ZodType, body: unknown) => expect(schema.parse(body)).toEqual(body);

describe("every route answers in its shape", () => {
  it.each<[string, z.ZodType, number]>([
    ["/healthz", health, 0],
    ["/livez", liveness, 0],
    ["/readyz", readiness, 0],
    ["/info", nodeInfo, 0],
    ["/reports/schema", reportSchema, 0],
    ["/reports/schema/leaderboard-columns", z.array(leaderboardColumn), 10],
    ["/reports/schema/metrics-widgets", z.array(metricsWidget), 3],
    ["/reports/leaderboard", z.array(leaderboardRow), 4],
    ["/reports/models", z.array(modelRow), 4],
    ["/reports/models/global", z.array(globalRow), 20],
    ["/reports/models/params", z.array(paramsRow), 4],
    ["/reports/models/metrics", z.array(modelMetricsRow), 20],
    ["/reports/models/summary", z.array(modelMetricsRow), 4],
    ["/reports/predictions", z.array(predictionRow), ROUNDS * MODELS.length],
    ["/reports/feeds", z.array(feedRow), 1],
    ["/reports/feeds/tail", z.array(feedTailRow), 20],
    ["/reports/snapshots", z.array(snapshotRow), 20],
    ["/reports/checkpoints", z.array(checkpointRow), 2],
    ["/reports/checkpoints/latest", checkpointRow, 0],
    ["/reports/emissions/latest", latestEmission, 0],
    ["/v1/leaderboard", leaderboardView, 0],
    ["/v1/overview", overview, 0],
    ["/v1/rounds", roundList, 0],
    ["/v1/checkpoints/latest", checkpointView, 0],
    ["/v1/checkpoints/latest/transitions", transitionList, 0],
    ["/v1/checkpoints/latest/payouts", payoutList, 0],
  ])("%s", async (url, schema, rows) => {
    const response = await get(url);
    expect(response.statusCode, response.body).toBe(200);
    shaped(schema, response.json());
    if (rows > 0) expect(response.json()).toHaveLength(rows);
  });

  it("one checkpoint in all its forms", async () => {
    const id = node.seeded.checkpointIds[0]!;
    shaped(checkpointRow, await json(`/reports/checkpoints/${id}`));
    shaped(checkpointPayload, await json(`/reports/checkpoints/${id}/payload`));
    shaped(emission, await json(`/reports/checkpoints/${id}/emission`));
    expect((await json(`/v1/checkpoints/${id}`)).id).toBe(id);
  });

  it("one round, its id percent-encoded, with predictions, truth and scores", async () => {
    const id = node.seeded.roundIds[5]!;
    const round = await json(`/v1/rounds/${encodeURIComponent(id)}`);
    shaped(roundView, round);
    expect(round).toMatchObject({ id, status: "SCORED", counts: { called: 4, answered: 4 } });
    expect(round.predictions).toHaveLength(4);
    expect(round.predictions[0]).toMatchObject({
      model_id: "model-1",
      status: "SCORED",
      score: { value: 0.42, success: true },
    });
    expect(round.truth.result).toHaveProperty("profit");
  });
});

describe("legacy rows keep names and order", () => {
  it.each([
    ["/info", ["crunch_id", "crunch_address", "network"]],
    ["/reports/leaderboard", ["created_at", "model_id", "score_metrics", "score_ranking"]],
    ["/reports/models", ["model_id", "model_name", "cruncher_name", "cruncher_id", "deployment_id"]],
    ["/reports/models/global", ["model_id", "score_metrics", "score_ranking"]],
    ["/reports/models/params", ["model_id", "scope_key", "scope", "score_metrics", "score_ranking"]],
    ["/reports/models/metrics", ["model_id", "performed_at", "prediction_count"]],
    [
      "/reports/predictions",
      [
        "model_id",
        "prediction_config_id",
        "scope_key",
        "scope",
        "score_value",
        "score_failed",
        "score_failed_reason",
        "scored_at",
        "performed_at",
      ],
    ],
    [
      "/reports/feeds",
      [
        "source",
        "subject",
        "kind",
        "granularity",
        "record_count",
        "oldest_ts",
        "newest_ts",
        "watermark_ts",
        "watermark_updated_at",
      ],
    ],
    ["/reports/feeds/tail", ["source", "subject", "kind", "granularity", "ts_event", "ts_ingested", "values", "meta"]],
    [
      "/reports/snapshots",
      ["id", "model_id", "period_start", "period_end", "prediction_count", "result_summary", "created_at"],
    ],
    [
      "/reports/checkpoints",
      ["id", "period_start", "period_end", "status", "entries", "meta", "created_at", "tx_hash", "submitted_at"],
    ],
    ["/reports/emissions/latest", ["checkpoint_id", "status", "period_start", "period_end", "emission"]],
  ])("%s", async (url, fields) => {
    const body = await json(url);
    const row = Array.isArray(body) ? body[0] : body;
    expect(Object.keys(row).slice(0, fields.length)).toEqual(fields);
  });

  it("the leaderboard repeats its metrics flat and ends with rank and names", async () => {
    const rows = await json("/reports/leaderboard");
    expect(rows.map((r: { model_name: string }) => r.model_name)).toEqual([
      "momentum",
      "volatility-trend",
      "mean-reversion",
      "slow-thinker",
    ]);
    expect(Object.keys(rows[0]).slice(-3)).toEqual(["rank", "model_name", "cruncher_name"]);
    expect(rows[0]).toMatchObject({
      ...rows[0].score_metrics,
      score_ranking: { key: "score_recent", value: 0.42, direction: "desc" },
    });
  });

  it("only the chart routes write times without a zone", async () => {
    expect((await json("/reports/models/global"))[0].performed_at).not.toMatch(/Z|\+/);
    expect((await json("/reports/predictions"))[0].performed_at).toMatch(/Z$/);
  });
});

describe("lists are bounded and filtered", () => {
  it.each([
    ["/reports/predictions?limit=3", 3],
    ["/reports/predictions?projectIds=model-1", ROUNDS],
    ["/reports/predictions?projectIds=model-1,model-2&limit=7", 7],
    ["/reports/predictions?projectIds=model-1&projectIds=model-2", 2 * ROUNDS],
    ["/reports/predictions?projectIds=nobody", 0],
    ["/reports/predictions?scope_key=other", 0],
    ["/reports/predictions?end=2020-01-01", 0],
    ["/reports/models/global?projectIds=model-3", 5],
    ["/reports/models/params?projectIds=model-3", 1],
    ["/reports/models/metrics?end=2020-01-01", 0],
    ["/reports/models/summary?projectIds=model-1,model-4", 2],
    ["/reports/feeds/tail?limit=5&subject=SP500", 5],
    ["/reports/feeds/tail?subject=BTC", 0],
    ["/reports/snapshots?model_id=model-2", 5],
    ["/reports/snapshots?limit=3", 3],
    ["/reports/checkpoints?limit=1", 1],
    ["/reports/checkpoints?status=PENDING", 0],
  ])("%s: %s rows", async (url, rows) => {
    expect(await json(url)).toHaveLength(rows);
  });

  it("the newest rows are kept, oldest first", async () => {
    const times = (await json("/reports/predictions?limit=8")).map((r: { performed_at: string }) => r.performed_at);
    const all = (await json("/reports/predictions")).map((r: { performed_at: string }) => r.performed_at);
    expect(times).toEqual(all.slice(-8));
    expect(all).toEqual(all.toSorted());
  });

  it("a timeout is shown as failed, with its reason", async () => {
    const rows = await json("/reports/predictions?status=TIMEOUT");
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows)
      expect(row).toMatchObject({
        model_id: "model-4",
        score_failed: true,
        score_failed_reason: "did not answer within 2 s",
      });
    expect(await json("/reports/predictions?status=ABSENT")).toHaveLength(4);
  });

  it("rounds by status and scope", async () => {
    expect((await json("/v1/rounds?status=MISSED")).data).toMatchObject([
      { id: node.seeded.roundIds[3], reason: "the feed had no data at the due time" },
    ]);
    expect((await json(`/v1/rounds?scope_key=${SCOPE_KEY}&limit=2`)).data.map((r: { id: string }) => r.id)).toEqual(
      node.seeded.roundIds.slice(-2).reverse(),
    );
  });
});

describe("what cannot be answered is said clearly", () => {
  it.each([
    ["/reports/predictions?limit=0", 422],
    ["/reports/predictions?limit=5001", 422],
    ["/reports/predictions?limit=many", 422],
    ["/reports/predictions?start=yesterday", 422],
    ["/reports/predictions?status=DONE", 422],
    ["/reports/snapshots?limit=1001", 422],
    ["/reports/feeds/tail?limit=201", 422],
    ["/reports/checkpoints?limit=101", 422],
    ["/reports/checkpoints?status=VOID", 422],
    ["/reports/checkpoints/CKP_19990101_000000", 404],
    ["/reports/checkpoints/CKP_19990101_000000/emission", 404],
    ["/reports/nothing", 404],
    ["/reports/checkpoints/%00", 422],
    ["/reports/predictions?scope_key=%00", 422],
    ["/reports/predictions?projectIds=a%00,b", 422],
    ["/reports/snapshots?model_id=%00", 422],
  ])("legacy %s: %s", async (url, status) => {
    const response = await get(url);
    expect(response.statusCode, response.body).toBe(status);
    shaped(legacyError, response.json());
  });

  it("a refused legacy parameter is named where the public node names it", async () => {
    const { detail } = await json("/reports/predictions?limit=0");
    expect(detail[0]).toMatchObject({ loc: ["query", "limit"] });
  });

  it("unknown parameters are refused by /v1, with the known ones, and ignored by legacy routes", async () => {
    const response = await get("/v1/rounds?lmit=5");
    expect(response.statusCode).toBe(400);
    expect(response.json().detail).toContain("there are status, scope_key, since, until, limit");
    expect((await get("/reports/models?whatever=1")).statusCode).toBe(200);
  });

  it.each([
    ["/v1/rounds?limit=0", 400, "invalid"],
    ["/v1/rounds/round%2Fx%2Fy%2F1", 404, "not-found"],
    ["/v1/checkpoints/none", 404, "not-found"],
    ["/v1/nothing", 404, "not-found"],
  ])("v1 %s is a problem: %s", async (url, status, code) => {
    const response = await get(url);
    expect(response.headers["content-type"]).toContain("application/problem+json");
    shaped(problem, response.json());
    expect(response.json()).toMatchObject({ status, code, instance: url.split("?")[0] });
  });

  it("a body that would reach a prototype is refused", async () => {
    const post = (payload: string) =>
      node.app.inject({
        method: "POST",
        url: "/reports/models",
        headers: { "content-type": "application/json" },
        payload,
      });
    for (const body of ['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', "{"])
      expect((await post(body)).statusCode, body).toBe(400);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

it("the overview counts what is there", async () => {
  const o = await json("/v1/overview");
  expect(o).toMatchObject({
    feed: [{ subject: "SP500", state: "live" }],
    predict: { models_running: 4, rounds_per_minute: 12, predictions_per_minute: 48 },
    score: { due: 0, late: 0 },
    snapshot: { scores: 48, open_windows: 1 },
    checkpoint: { latest: { id: node.seeded.checkpointIds[1], phase: "PAID" } },
    rounds_last_hour: { MISSED: 1 },
  });
  expect(o.latency.p50_ms).toBeGreaterThan(5);
  expect(o.recent_rounds).toHaveLength(20);
});
