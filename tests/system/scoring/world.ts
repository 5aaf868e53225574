import { sql } from "kysely";
import { pino } from "pino";
import { inject } from "vitest";
import type { Market } from "../../../activities/market.ts";
import { createScoreActivities, type ScoreActivities } from "../../../activities/round.ts";
import { createWindowActivities, type WindowActivities } from "../../../activities/window.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { defineCompetition } from "../../../competitions/define.ts";
import { contractScorer, type Scorer } from "../../../competitions/scorer.ts";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import { ensurePartitions } from "../../../db/partitions.ts";
import { storeCollected } from "../../../db/predictions.ts";
import { insertRound, recordContract } from "../../../db/rounds.ts";
import type { LeaderboardEntryRow, PredictionStatus } from "../../../db/schema.ts";
import { openWindow } from "../../../db/windows.ts";
import { predictionId, roundId } from "../../../domain/ids.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";

export const T0 = Date.UTC(2024, 0, 2);
export const MINUTE_MS = 60_000;
export const HORIZON_MS = 20_000;

/** What a model answers in round `i` of a scope; a status instead of an answer where there is none. */
type Answer = Record<string, unknown> | Extract<PredictionStatus, "ABSENT" | "TIMEOUT" | "FAILED">;
export type Answers = (model: string, i: number, scopeKey: string) => Answer | null;

/** What happens in round `i`: any function will do, so long as it is one. */
export const profitOf = (i: number): number => Math.sin(i * 12.9898) / 100;

/** Truth follows from the due time alone; the scorer is the realtime one. */
export const testCompetition = (own: Partial<Competition> = {}): Competition =>
  ({
    ...defineCompetition({
      id: "scoring",
      score: ({ value }, truth) => ({ value: value * truth.profit * 10_000, actual_return: truth.profit }),
      resolveTruth: ({ dueMs }) => {
        const profit = profitOf((dueMs - T0) / 1_000);
        return { resolved: { profit, entry_price: 1, resolved_price: 1 + profit }, evidence: {} };
      },
    }),
    ...own,
  }) as unknown as Competition;

export interface ScoringWorld extends AsyncDisposable, ScoreActivities, WindowActivities {
  db: Database;
  url: string;
  /** rounds as collecting leaves them: one each `everyMs` from T0 on, of each scope */
  collect(plan: CollectPlan): Promise<string[]>;
  /** opens and builds the window [startMs, endMs) */
  build(startMs: number, endMs: number): Promise<void>;
  board(): Promise<LeaderboardEntryRow[]>;
  entry(modelId: string): Promise<LeaderboardEntryRow>;
}

export interface CollectPlan {
  models: readonly string[];
  from: number;
  count: number;
  everyMs: number;
  answers: Answers;
  scopes?: readonly string[];
  /** by model and round; by default one for good */
  deployment?: (model: string, i: number) => string;
}

/** For contracts whose resolver asks no market. */
const noMarket = {
  source: "none",
  granularityMs: 1_000,
  coverage: async () => ({ knownUntilMs: 0, deliveredUntilMs: 0, openGaps: [] }),
  between: async () => [],
} as unknown as Market;

/** The score role's activities over a database, without Temporal. */
export function scoringActivities(
  db: Database,
  competition: Competition,
  scorer: Scorer,
  { market = noMarket, now = Date.now }: { market?: Market; now?: () => number } = {},
) {
  const loaded = { competition, scopes: [], contractHash: "contract", scorerHash: scorer.hash } as never;
  const scopes = [{ everyMs: MINUTE_MS, resolveAfterMs: HORIZON_MS }];
  return {
    ...createScoreActivities({ db, market, competition: loaded, scorer, now }),
    ...createWindowActivities({ db, competition, scopes, scorer, now, log: pino({ level: "silent" }) }),
  };
}

export async function scoringWorld(
  competition: Competition,
  scorer: Scorer = contractScorer(competition.score, "scorer-1"),
): Promise<ScoringWorld> {
  const database = await createTestDatabase(inject("postgresUrl"), async (url) => {
    const template = openDatabase({ url, application: "template" });
    await migrate(template);
    await template.destroy();
  });
  const db = openDatabase({ url: database.url, application: "scoring-test" });
  await recordContract(db, { hash: "contract", body: {}, scopes: [] });
  const activities = scoringActivities(db, competition, scorer);
  const board = async (): Promise<LeaderboardEntryRow[]> =>
    (await db.selectFrom("leaderboards").selectAll().orderBy("window_end", "desc").executeTakeFirstOrThrow())
      .entries_jsonb;
  return {
    ...activities,
    db,
    url: database.url,
    board,
    entry: async (modelId) => (await board()).find((e) => e.model_id === modelId)!,
    collect: (plan) => collect(db, plan),
    build: async (startMs, endMs) => {
      await openWindow(db, startMs, endMs);
      await activities.awaitRounds({ startMs, endMs });
      await activities.buildWindow({ startMs, endMs });
    },
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await database.drop();
    },
  };
}

async function collect(db: Database, plan: CollectPlan): Promise<string[]> {
  const ids: string[] = [];
  for (const id of plan.models) await recordModel(db, id);
  for (let i = plan.from; i < plan.from + plan.count; i++)
    for (const scopeKey of plan.scopes ?? ["X-20"]) ids.push(await collectRound(db, plan, i, scopeKey));
  return ids;
}

const recordModel = (db: Database, id: string) =>
  sql`insert into models (id, name, deployment_identifier, player_id, player_name) values (${id}, ${id}, ${`${id}-1`}, ${`p-${id}`}, ${id})
    on conflict do nothing`.execute(db);

async function collectRound(db: Database, plan: CollectPlan, i: number, scopeKey: string): Promise<string> {
  const dueMs = T0 + i * plan.everyMs;
  const id = roundId({ competition: "scoring", scopeKey, dueMs });
  const scope = { subject: "X", resolve_horizon_seconds: HORIZON_MS / 1_000 };
  const times = {
    dueMs,
    deadlineMs: dueMs + 1_000,
    resolveAtMs: dueMs + HORIZON_MS,
    giveUpAtMs: dueMs + 2 * HORIZON_MS,
  };
  await insertRound(db, { id, scopeKey, scope, ...times, contractHash: "contract", status: "COLLECTING" });
  await ensurePartitions(db, "scores", dueMs, dueMs);
  const predictions = plan.models.flatMap((modelId) => {
    const answer = plan.answers(modelId, i, scopeKey);
    if (answer === null) return [];
    const missing = typeof answer === "string";
    return [
      {
        id: predictionId(id, modelId),
        modelId,
        deploymentId: plan.deployment?.(modelId, i) ?? `${modelId}-1`,
        status: missing ? answer : ("PENDING" as const),
        reason: missing ? `${modelId} gave no answer` : null,
        execTimeUs: 5,
        output: missing ? null : answer,
        meta: {},
      },
    ];
  });
  await storeCollected(db, {
    ...{ roundId: id, scopeKey, scope, configId: `CFG_${scopeKey}`, dueMs, resolveAtMs: times.resolveAtMs },
    ...{ input: { data: {}, hash: "00" }, performedAtMs: dueMs + 5, predictions },
    counts: { called: predictions.length, answered: predictions.length, failed: 0, timed_out: 0, absent: 0 },
  });
  return id;
}
