import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolutionOf } from "../../../activities/truth.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import type { LoadedCompetition } from "../../../competitions/load.ts";
import { readConfig } from "../../../config.ts";
import { feedSummaries } from "../../../db/feed-reports.ts";
import type { RoundRow } from "../../../db/rounds.ts";
import type { FeedRecord } from "../../../feeds/feed.ts";
import type { Role } from "../../../workers/context.ts";
import { startFeedRole } from "../../../workers/feed.ts";
import { truthSourcesOf } from "../../../workers/truth-sources.ts";
import { freshDatabase, log, marketOf } from "./world.ts";

let world: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  world = await freshDatabase();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const competition = defineCompetition({
  ...{ id: "t", score: () => ({ value: 0 }), truthSources: { sources: ["synthetic"], maxDeviation: 0.05 } },
});
const loaded = { competition } as LoadedCompetition;

test("several sources at once: all are stored, models see the first, truth is asked of both", async () => {
  const config = readConfig({
    ...{ FEED_SOURCE: "replay,synthetic", FEED_SUBJECTS: "SP500", FEED_SUBJECTS_SYNTHETIC: "SPX" },
    ...{ FEED_GRANULARITY: "100ms", FEED_BACKFILL_MINUTES: "1" },
  });
  const told: FeedRecord[] = [];
  const roles: Role[] = [];
  const start = async () =>
    roles.push(await startFeedRole({ config, log, db: world.db, competition: loaded }, (r) => told.push(...r)));
  await start();
  const newest = async (source: string) =>
    (await feedSummaries(world.db)).find((s) => s.source === source)?.newest_ts?.getTime() ?? 0;
  const dueMs = Math.ceil(Date.now() / 1_000) * 1_000;
  await expect.poll(() => newest("replay"), { timeout: 20_000 }).toBeGreaterThan(dueMs + 1_000);
  await roles[0]!.drain();
  await delay(1_500);
  await start(); // the time between is fetched
  const resolveMs = dueMs + 4_000;
  await expect.poll(() => newest("replay"), { timeout: 20_000 }).toBeGreaterThan(resolveMs);
  await expect.poll(() => newest("synthetic"), { timeout: 20_000 }).toBeGreaterThan(resolveMs);
  await roles[1]!.drain();
  expect(new Set(told.map((r) => r.source))).toEqual(new Set(["replay"]));

  const [first] = config.FEED_STREAMS;
  const round = {
    ...{ scope_jsonb: { subject: "SP500" }, due_at: new Date(dueMs), resolve_at: new Date(resolveMs) },
    give_up_at: new Date(resolveMs + 1e6),
  } as unknown as RoundRow;
  const market = marketOf(world.db, first);
  const others = truthSourcesOf(config, competition, world.db);
  const resolution = await resolutionOf({ competition, market, others, now: Date.now }, round);
  // two series that know nothing of each other: the rule says so, and names both
  expect(resolution).toEqual({ unresolvable: expect.stringMatching(/the sources disagree: replay .* synthetic /) });
  const between = await market.between("SP500", dueMs - 100, resolveMs);
  expect(between.filter((r) => r.tsEvent >= dueMs && r.tsEvent < resolveMs)).toHaveLength(40);
  const rows = await world.db
    .selectFrom("feed_quality")
    .select(["subject", "event"])
    .where("event", "=", "disagreement")
    .execute();
  expect(rows[0]).toEqual({ subject: "SPX", event: "disagreement" });
});

test("a source that cannot work with its settings is named at the start", async () => {
  const config = readConfig({ FEED_SOURCE: "replay,carrier-pigeon", FEED_SUBJECTS: "SP500" });
  await expect(startFeedRole({ config, log, db: world.db, competition: loaded }, () => undefined)).rejects.toThrow(
    "FEED_SOURCE=carrier-pigeon: this version has",
  );
});
