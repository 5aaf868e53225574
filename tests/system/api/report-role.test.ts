import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { loadCompetition } from "../../../competitions/load.ts";
import { readConfig } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import type { RoleContext } from "../../../workers/context.ts";
import { startReportRole } from "../../../workers/report.ts";
import { seed } from "./seed.ts";
import { type Fresh, freshDatabase } from "./world.ts";

const log = pino({ level: "silent" });
let fresh: Fresh;

const configOf = (ports: { api: number; ui: number }) =>
  readConfig({
    DATABASE_URL: fresh.url,
    TEMPORAL_ADDRESS: inject("temporalAddress"),
    NETWORK: "LOCAL",
    FEED_SOURCE: "replay",
    FEED_SUBJECTS: "SP500",
    FEED_GRANULARITY: "1s",
    REPORT_API_PORT: String(ports.api),
    REPORT_UI_PORT: String(ports.ui),
  });

beforeAll(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  await seed(fresh.db, { nowMs: Date.now(), rounds: 5 });
});
afterAll(async () => {
  await fresh?.[Symbol.asyncDispose]();
});

const contextOf = async (ports: { api: number; ui: number }): Promise<Omit<RoleContext, "temporal">> => ({
  config: configOf(ports),
  log,
  db: fresh.db,
  competition: await loadCompetition(resolve(import.meta.dirname, "../../../competitions/realtime/competition.ts"), [
    "SP500",
  ]),
});

it("serves API and page on both ports until it is drained, and asks Temporal itself whether it is ready", async () => {
  const ports = { api: await freePort(), ui: await freePort() };
  const role = await startReportRole(await contextOf(ports));
  const running = role.run();
  for (const port of [ports.api, ports.ui]) {
    expect((await fetch(`http://127.0.0.1:${port}/reports/leaderboard`)).status).toBe(200);
    const page = await fetch(`http://127.0.0.1:${port}/`);
    expect(page.status).toBe(existsSync(resolve(import.meta.dirname, "../../../web/dist/index.html")) ? 200 : 404);
  }
  const missing = await role.missing();
  expect(missing.filter((line) => !line.startsWith("feed"))).toEqual([]);
  expect(await (await fetch(`http://127.0.0.1:${ports.api}/metrics`)).text()).toMatch(
    /almanac_http_request_duration_seconds_count\{method="GET",route="\/reports\/leaderboard",status="200"\} 2/,
  );
  await role.drain();
  await running;
  await expect(fetch(`http://127.0.0.1:${ports.api}/livez`)).rejects.toThrow();
  await expect(fetch(`http://127.0.0.1:${ports.ui}/livez`)).rejects.toThrow();
});

it.each([["REPORT_API_PORT"], ["REPORT_UI_PORT"]] as const)(
  "names %s when its port is taken, and leaves nothing open",
  async (setting) => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
    const taken = (other.address() as { port: number }).port;
    const free = await freePort();
    const ports = setting === "REPORT_API_PORT" ? { api: taken, ui: free } : { api: free, ui: taken };
    await expect(startReportRole(await contextOf(ports))).rejects.toThrow(
      `port ${taken} on 127.0.0.1 is taken by another program: end it, or set ${setting} to another port`,
    );
    await expect(fetch(`http://127.0.0.1:${free}/livez`)).rejects.toThrow();
    other.close();
  },
);
