import { resolve } from "node:path";
import { pino } from "pino";
import type { ApiSettings, App } from "../../../api/deps.ts";
import { type Checks, databaseChecks, feedCheck } from "../../../api/readiness.ts";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";
import { CRUNCH, WINDOW_MS } from "./seed-models.ts";

const COMPETITION = resolve(import.meta.dirname, "../../../competitions/realtime/competition.ts");
export const ANCHOR_MS = Date.parse("2026-01-05T00:00:00Z");

export const SETTINGS: ApiSettings = {
  version: "0.1.0",
  competition: CRUNCH,
  address: "crunch-pubkey",
  network: "LOCAL",
  temporalUi: "http://127.0.0.1:8233",
  namespaces: { rounds: "almanac", checkpoints: "almanac-checkpoints" },
  feed: { source: "replay", kind: "candle", granularity: "1s", subjects: ["SP500"] },
  windowIntervalMs: WINDOW_MS,
  checkpointClock: { anchorMs: ANCHOR_MS, intervalMs: 120_000 },
  readAuth: true,
};

export interface Fresh extends AsyncDisposable {
  db: Database;
  url: string;
}

/** A migrated database of this test's own. */
export async function freshDatabase(postgresUrl: string): Promise<Fresh> {
  const { url, drop } = await createTestDatabase(postgresUrl, async (template) => {
    const db = openDatabase({ url: template, application: "migrate" });
    await migrate(db);
    await db.destroy();
  });
  const db = openDatabase({ url, application: "api test", statementTimeoutMs: 5_000 });
  return {
    db,
    url,
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await drop();
    },
  };
}

/** The server on this database at a standing time; `change` overrides settings. */
export async function serverOn(
  db: Database,
  nowMs: number,
  change: Partial<ApiSettings> = {},
  more: Checks = {},
): Promise<App> {
  const settings = { ...SETTINGS, ...change };
  const now = () => nowMs;
  const competition = await loadCompetition(COMPETITION, settings.feed.subjects);
  const checks = { ...databaseChecks(db), feed: feedCheck(db, settings.feed, now), ...more };
  return buildServer({ settings, db, competition, checks, now, log: pino({ level: "silent" }) });
}
