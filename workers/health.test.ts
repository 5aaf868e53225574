import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { type HealthServer, serveHealth } from "./health.ts";
import { roundsTotal } from "./metrics.ts";

const log = pino({ level: "silent" });
const host = "127.0.0.1";
const open: HealthServer[] = [];
const serve = async (checks: Parameters<typeof serveHealth>[0]["checks"], port = 0) => {
  const server = await serveHealth({ host, port, checks, log });
  open.push(server);
  return server;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

it("tells what is missing, and that it is alive all the same", async () => {
  let why: string | null = "no answer";
  const { url } = await serve({ database: async () => why });
  const asked = async () => {
    const response = await fetch(`${url}/readyz`);
    return [response.status, await response.json()];
  };
  expect(await asked()).toEqual([503, { status: "not ready", missing: [{ what: "database", why: "no answer" }] }]);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  why = null;
  expect(await asked()).toEqual([200, { status: "ready", missing: [] }]);
});

it("serves the figures of this process", async () => {
  const { url } = await serve({});
  roundsTotal.inc({ status: "SCORED" });
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text).toMatch(/almanac_rounds_total\{status="SCORED"\} [1-9]/);
  expect(text).toContain("# TYPE almanac_feed_to_prediction_seconds histogram");
  expect(text).toContain("# TYPE almanac_model_call_duration_seconds histogram");
  expect(text).toContain("# TYPE almanac_predictions_overdue gauge");
});

it("takes the next free port where one is taken", async () => {
  const first = await serve({});
  const second = await serve({}, first.port);
  expect(second.port).toBeGreaterThan(first.port);
  expect((await fetch(`${second.url}/livez`)).status).toBe(200);
});

it("answers nothing else", async () => {
  const { url } = await serve({});
  expect((await fetch(`${url}/etc`)).status).toBe(404);
  expect((await fetch(`${url}/livez`, { method: "POST" })).status).toBe(405);
});
