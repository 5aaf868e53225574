import { resolve } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { decisionList } from "../../../api/contract/checkpoint-actions.ts";
import type { ApiSettings, App, CheckpointRuns } from "../../../api/deps.ts";
import { ApiError } from "../../../api/problem.ts";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { insertDecision } from "../../../db/decisions.ts";
import { seedCheckpoint } from "./seed-checkpoint.ts";
import { type Fresh, freshDatabase, SETTINGS } from "./world.ts";

const END_MS = Date.parse("2026-11-21T00:00:00Z");
const TO_FINAL = ["AWAITING_APPROVAL", "PLANNED", "SIGNED", "SENT", "SEEN", "FINAL"] as const;
const TX = "5".repeat(64);
let fresh: Fresh;
let app: App;
let ids: Record<"failed" | "final" | "void" | "open", string> = {} as never;
/** what the workflow was asked, and what it says */
const asked: [string, string, object, string][] = [];
let said: () => ReturnType<CheckpointRuns["decide"]>;

const serve = async (change: Partial<ApiSettings> = {}, checkpoints?: CheckpointRuns): Promise<App> => {
  const path = resolve(import.meta.dirname, "../../../competitions/realtime/competition.ts");
  const competition = await loadCompetition(path, ["SP500"]);
  const settings = { ...SETTINGS, ...change };
  return buildServer({
    ...{ settings, db: fresh.db, competition, checks: {}, log: pino({ level: "silent" }) },
    ...(checkpoints ? { checkpoints } : {}),
  });
};

beforeAll(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  ids = {
    failed: await seedCheckpoint(fresh.db, END_MS, ["AWAITING_APPROVAL", "PLANNED", "FAILED"]),
    final: await seedCheckpoint(fresh.db, END_MS + 120_000, TO_FINAL),
    void: await seedCheckpoint(fresh.db, END_MS + 240_000, ["AWAITING_APPROVAL", "VOID"]),
    open: await seedCheckpoint(fresh.db, END_MS + 360_000, ["AWAITING_APPROVAL"]),
  };
  app = await serve(
    {},
    {
      decide: async ({ id }, action, input, updateId) => {
        asked.push([id, action, input, updateId]);
        return said();
      },
    },
  );
});
afterAll(async () => {
  await app?.close();
  await fresh?.[Symbol.asyncDispose]();
});

const send = async (
  method: "POST" | "PATCH",
  url: string,
  body: object,
  headers: Record<string, string> = {},
  on = app,
) => {
  const answer = await on.inject({ method, url, payload: body, headers: { host: "127.0.0.1", ...headers } });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
};
const etag = async (id: string) => String((await app.inject(`/v1/checkpoints/${id}`)).headers.etag);

describe("legacy routes know four statuses", () => {
  it("FAILED reads PENDING, and what is void is left out, listed or named", async () => {
    const rows = (await app.inject("/reports/checkpoints")).json<{ id: string; status: string }[]>();
    expect(rows.map(({ id, status }) => [id, status])).toEqual([
      [ids.open, "PENDING"],
      [ids.final, "SUBMITTED"],
      [ids.failed, "PENDING"],
    ]);
    expect((await app.inject(`/reports/checkpoints/${ids.void}`)).statusCode).toBe(404);
    expect(
      (await send("PATCH", `/reports/checkpoints/${ids.void}/status`, { status: "SUBMITTED", tx_hash: TX })).status,
    ).toBe(404);
    expect((await app.inject(`/v1/checkpoints/${ids.void}`)).json()).toMatchObject({
      status: "VOID",
      open_decisions: [],
    });
    const listed = (await app.inject("/v1/checkpoints?limit=2")).json<{
      data: { id: string }[];
      next_cursor: string;
    }>();
    expect(listed.data.map(({ id }) => id)).toEqual([ids.open, ids.void]);
    const rest = (await app.inject(`/v1/checkpoints?limit=2&cursor=${listed.next_cursor}`)).json<typeof listed>();
    expect(rest.data.map(({ id }) => id)).toEqual([ids.final, ids.failed]);
  });

  it.each([
    [
      "final",
      { status: "PAID" },
      409,
      "Cannot transition from SUBMITTED to PAID. Allowed: [<CheckpointStatus.CLAIMABLE: 'CLAIMABLE'>]",
    ],
    [
      "final",
      { status: "PENDING" },
      409,
      "Cannot transition from SUBMITTED to PENDING. Allowed: [<CheckpointStatus.CLAIMABLE: 'CLAIMABLE'>]",
    ],
    ["failed", { status: "NOPE" }, 422, "Invalid status: NOPE. Valid: ['PENDING', 'SUBMITTED', 'CLAIMABLE', 'PAID']"],
    ["failed", {}, 422, "Invalid status: None. Valid: ['PENDING', 'SUBMITTED', 'CLAIMABLE', 'PAID']"],
    ["failed", { status: "SUBMITTED" }, 422, "tx_hash required: SUBMITTED needs the transaction that shows it"],
    ["open", { status: "SUBMITTED", tx_hash: TX }, 409, "waits for approval"],
  ] as const)("PATCH of %s with %o: %d", async (which, body, status, detail) => {
    asked.length = 0;
    const answer = await send("PATCH", `/reports/checkpoints/${ids[which]}/status`, body);
    expect([answer.status, String(answer.body.detail)]).toEqual([status, expect.stringContaining(detail)]);
    expect(asked).toEqual([]);
  });

  it("confirm is refused in the public node's words, asks the workflow otherwise, and passes its refusal on", async () => {
    const confirm = (id: string, body: object) => send("POST", `/reports/checkpoints/${id}/confirm`, body);
    expect(await confirm(ids.final, { tx_hash: TX })).toEqual({
      status: 409,
      body: { detail: "Checkpoint is SUBMITTED, expected PENDING" },
    });
    expect(await confirm(ids.failed, {})).toEqual({ status: 422, body: { detail: "tx_hash required" } });
    said = () => Promise.reject(new ApiError(409, "conflict", `${TX} is not known to the cluster`));
    asked.length = 0;
    expect(await confirm(ids.failed, { tx_hash: TX })).toEqual({
      status: 409,
      body: { detail: `${TX} is not known to the cluster` },
    });
    expect(asked[0]).toMatchObject([
      ids.failed,
      "confirm",
      { to: "SUBMITTED", tx_hash: TX },
      expect.stringMatching(/^confirm-[0-9a-f]{32}$/),
    ]);
  });
});

describe("decisions over /v1", () => {
  const approve = (headers: Record<string, string>, body: object = {}) =>
    send("POST", `/v1/checkpoints/${ids.open}/approvals`, body, headers);

  it("want a key, the version that was looked at, and nothing that they do not know", async () => {
    asked.length = 0;
    expect(await approve({})).toMatchObject({ status: 400, body: { code: "idempotency-key-wanted" } });
    expect(await approve({ "idempotency-key": "k" })).toMatchObject({ status: 428, body: { code: "if-match-wanted" } });
    expect(await approve({ "idempotency-key": "k", "if-match": '"x-1"' })).toMatchObject({ status: 412 });
    const headers = { "idempotency-key": "k", "if-match": await etag(ids.open) };
    expect(await approve(headers, { amount: 1 })).toMatchObject({ status: 400 });
    expect(await approve(headers, { key: "other" })).toMatchObject({
      status: 400,
      body: { code: "idempotency-key-wanted" },
    });
    expect(await send("POST", `/v1/checkpoints/${ids.open}/voidings`, {}, headers)).toMatchObject({ status: 400 });
    const retry = await send("POST", `/v1/checkpoints/${ids.open}/submissions`, {}, headers);
    expect(retry).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining("retry is open in FAILED, CONFLICT") },
    });
    expect(asked).toEqual([]);
  });

  it("a key that was used is answered from the row, without If-Match and without a workflow; another body is 422", async () => {
    const first = {
      id: ids.open,
      action: "void" as const,
      actor: "api",
      phase: "VOID" as const,
      status: "VOID" as const,
      waits_for: null,
    };
    const body = JSON.stringify([ids.open, "void", "api", "because", null, null]);
    const unsigned = { reason: "because", statement: null, signature: null };
    await insertDecision(
      fresh.db,
      { key: "used", checkpoint: ids.open, action: "void", actor: "api", body, ...unsigned },
      first,
      null,
    );
    const again = (reason: string) =>
      send("POST", `/v1/checkpoints/${ids.open}/voidings`, { reason }, { "idempotency-key": "used" });
    expect(await again("because")).toEqual({ status: 200, body: first });
    expect(await again("other")).toMatchObject({ status: 422, body: { code: "idempotency-key-reused" } });
    const list = decisionList.parse((await app.inject(`/v1/checkpoints/${ids.open}/decisions`)).json());
    expect(list.data).toMatchObject([{ key: "used", action: "void", reason: "because", result: first }]);
  });

  it("a workflow that is behind its row is asked again; one that does not answer is 503", async () => {
    let behind = 2;
    const result = {
      id: ids.open,
      action: "approve" as const,
      actor: "api",
      phase: "PLANNED" as const,
      status: "PENDING" as const,
      waits_for: null,
    };
    said = async () => {
      if (behind-- > 0)
        throw new ApiError(409, "not-open", "approve is open in AWAITING_APPROVAL; the checkpoint is SEALED");
      return result;
    };
    const headers = { "idempotency-key": "late", "if-match": await etag(ids.open) };
    expect(await approve(headers)).toEqual({ status: 200, body: result });
    said = () => Promise.reject(new ApiError(503, "workflows-away", "does not answer"));
    expect(await approve({ ...headers, "idempotency-key": "gone" })).toMatchObject({
      status: 503,
      body: { retryable: true },
    });
    const alone = await serve();
    expect(await send("POST", `/v1/checkpoints/${ids.open}/approvals`, {}, headers, alone)).toMatchObject({
      status: 503,
    });
    await alone.close();
  });

  it("need the API key where there is one; reading does not", async () => {
    const closed = await serve({ apiKey: "a-long-enough-secret" });
    const url = `/v1/checkpoints/${ids.open}`;
    for (const noun of ["approvals", "submissions", "voidings"])
      expect((await send("POST", `${url}/${noun}`, { reason: "x" }, {}, closed)).status, noun).toBe(401);
    expect(
      (await send("PATCH", `/reports/checkpoints/${ids.open}/status`, { status: "PAID" }, {}, closed)).status,
    ).toBe(401);
    expect((await closed.inject(`${url}/decisions`)).statusCode).toBe(200);
    await closed.close();
  });

  it("an unchanged version is 304", async () => {
    const tag = await etag(ids.open);
    const again = await app.inject({ url: `/v1/checkpoints/${ids.open}`, headers: { "if-none-match": tag } });
    expect([again.statusCode, again.body]).toEqual([304, ""]);
  });
});
