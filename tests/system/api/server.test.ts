import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { App } from "../../../api/deps.ts";
import { migrate, openDatabase } from "../../../db/database.ts";
import { fragilePostgres } from "../node/servers.ts";
import { type Seeded, seed } from "./seed.ts";
import { SCOPE_KEY } from "./seed-models.ts";
import { type Fresh, freshDatabase, serverOn } from "./world.ts";

const KEY = "0123456789abcdef0123456789abcdef";
let [fresh, seeded]: [Fresh, Seeded] = [] as never;
const apps: App[] = [];

beforeAll(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  seeded = await seed(fresh.db, { nowMs: Date.now(), rounds: 24, steps: [] });
});
afterAll(async () => {
  for (const app of apps) await app.close();
  await fresh?.[Symbol.asyncDispose]();
});

const start = async (
  ...change: Parameters<typeof serverOn> extends [unknown, unknown, ...infer Rest] ? Rest : never
): Promise<App> => {
  const app = await serverOn(fresh.db, seeded.nowMs, ...change);
  apps.push(app);
  return app;
};

interface Operation {
  operationId?: string;
  responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}

describe("OpenAPI", () => {
  it("is a 3.1 document in which every operation has an id, a tag, a typed answer and its errors", async () => {
    const app = await start({ webRoot: "/nowhere" });
    const document = (await app.inject("/openapi.json")).json();
    expect(document.openapi).toBe("3.1.0");
    const operations: [string, Operation][] = Object.entries<Record<string, Operation>>(document.paths).flatMap(
      ([path, methods]) => Object.values(methods).map((op): [string, Operation] => [path, op]),
    );
    expect(operations.length).toBeGreaterThanOrEqual(29);
    for (const [path, operation] of operations) {
      expect(operation.operationId, path).toMatch(/^[a-z][A-Za-z0-9]+$/);
      const success = Object.keys(operation.responses).find((status) => status.startsWith("2"))!;
      expect(Object.values(operation.responses[success]?.content ?? {})[0]?.schema, path).toBeDefined();
      expect(operation.responses, path).toHaveProperty("503");
    }
    expect(new Set(operations.map(([, op]) => op.operationId)).size).toBe(operations.length);
    expect(JSON.stringify(document)).not.toContain('"$ref":"#/components/schemas/undefined"');
    expect(document.paths["/*"]).toBeUndefined();
    expect(Object.keys(document.paths["/v1/rounds/{id}"].get.responses)).toEqual(
      expect.arrayContaining(["200", "400", "401", "404"]),
    );
  });
});

describe("with a key set", () => {
  it("leaderboard, schema, checkpoints, health and info stay open; the rest wants the key", async () => {
    const app = await start({ apiKey: KEY });
    const status = async (url: string, headers: Record<string, string> = {}) =>
      (await app.inject({ url, headers })).statusCode;
    const open = [
      "/healthz",
      "/readyz",
      "/info",
      "/openapi.json",
      "/reports/leaderboard",
      "/v1/leaderboard",
      "/reports/schema",
      "/reports/snapshots",
      "/reports/checkpoints/latest",
      "/reports/emissions/latest",
      "/v1/checkpoints/latest/transitions",
      "/v1/checkpoints/latest/payouts",
    ];
    const closed = [
      "/reports/models",
      "/reports/predictions",
      "/reports/feeds",
      "/reports/feeds/tail",
      "/reports/models/global",
      "/v1/overview",
      "/v1/rounds",
    ];
    for (const url of open) expect(await status(url), url).toBe(200);
    for (const url of closed) {
      expect(await status(url), url).toBe(401);
      expect(await status(url, { "x-api-key": KEY }), url).toBe(200);
    }
  });

  it("with reads open, nobody sees what models said before the truth is known", async () => {
    const app = await start({ apiKey: KEY, readAuth: false });
    const open = encodeURIComponent(seeded.roundIds.at(-1)!);
    const outputs = async (headers: Record<string, string> = {}) =>
      (await app.inject({ url: `/v1/rounds/${open}`, headers }))
        .json()
        .predictions.map((p: { output?: unknown }) => p.output !== undefined);
    expect(await outputs()).toEqual([false, false, false, false]);
    expect(await outputs({ authorization: `Bearer ${KEY}` })).toEqual([true, true, true, true]);
    expect((await app.inject("/reports/predictions?status=PENDING")).json()).toEqual([]);
    const settled = (await app.inject(`/v1/rounds/${encodeURIComponent(seeded.roundIds[5]!)}`)).json();
    expect(settled.predictions[0].output).toBeDefined();
  });
});

it("answers carry a strict content policy and are never sniffed", async () => {
  const { headers } = await (await start()).inject("/healthz");
  expect(headers["content-security-policy"]).toContain("default-src 'self'");
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

describe("readiness", () => {
  it("names a feed that is stale", async () => {
    const app = await serverOn(fresh.db, seeded.nowMs + 60_000);
    apps.push(app);
    const response = await app.inject("/readyz");
    expect(response.statusCode).toBe(503);
    expect(response.json().missing).toEqual([
      { what: "feed", why: expect.stringMatching(/replay SP500: the newest record of 1s ended 6\d s ago/) },
    ]);
  });

  it("names a feed without records, a schema that is not migrated, and a check of the role", async () => {
    const app = await start(
      { feed: { source: "pyth", kind: "candle", granularity: "1s", subjects: ["BTC"] } },
      { temporal: async () => "no answer" },
    );
    expect((await app.inject("/readyz")).json()).toEqual({
      status: "not ready",
      missing: [
        { what: "feed", why: "pyth BTC: no record is stored yet" },
        { what: "temporal", why: "no answer" },
      ],
    });
    await fresh.db
      .deleteFrom("kysely_migration" as never)
      .where("name" as never, "=", "005-operations" as never)
      .execute();
    expect((await (await start()).inject("/readyz")).json().missing[0]).toMatchObject({ what: "migrations" });
  });

  it("names the database when it is stopped, stays alive, and is ready again when it is back", async () => {
    await using postgres = await fragilePostgres();
    const db = openDatabase({ url: postgres.at, application: "api readiness" });
    await migrate(db);
    const nowMs = Date.now();
    await seed(db, { nowMs, rounds: 5 });
    const app = await serverOn(db, nowMs);
    const ready = async () => (await app.inject("/readyz")).statusCode;
    expect(await ready()).toBe(200);

    await postgres.kill();
    await expect.poll(ready).toBe(503);
    expect((await app.inject("/readyz")).json().missing.map((m: { what: string }) => m.what)).toContain("database");
    expect((await app.inject("/livez")).statusCode).toBe(200);
    const refused = await app.inject(`/reports/predictions?scope_key=${SCOPE_KEY}`);
    expect([refused.statusCode, refused.json()]).toEqual([
      503,
      { detail: "the database does not answer; see /readyz" },
    ]);

    await postgres.start();
    await expect.poll(ready, { timeout: 10_000 }).toBe(200);
    await app.close();
    await db.destroy();
  });
});
