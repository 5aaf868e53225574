import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { LeaderboardEntryRow } from "../../../db/schema.ts";
import { freePort } from "../../../local/ports.ts";
import { startNode, type TestNode, until } from "../node/harness.ts";
import competition from "./realtime/competition.ts";
import { type Answer, type Dump, dump } from "./realtime/dump.ts";
import { type ExpectedRow, expectedBoard } from "./realtime/expected.ts";

const PACK = resolve(import.meta.dirname, "../../../competitions/realtime");
const RECORDED = resolve(process.env.MARKET_DATA_DIR ?? "../shared/data", "xrp-eth-1m.csv");
const GRANULARITY_MS = 200;
const SCORE_EVERY_MS = 2_000;
const WINDOW = 20;
const ROUNDS = 32;

const example = (name: string) => ({ source: readFileSync(join(PACK, "challenge/examples", `${name}.py`), "utf8") });
/** Raises at every third question. */
const MOODY = `from tracker import TrackerBase


class Moody(TrackerBase):
    asked = 0

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        self.asked += 1
        if self.asked % 3 == 0:
            raise ValueError("not now")
        return {"value": 0.01 * (self.asked % 5 - 2)}
`;
const MODELS = {
  momentum: example("momentum"),
  reversion: example("mean_reversion"),
  trend: example("volatility_trend"),
  steady: "steady",
  twin: "steady",
  wrong: "wrongShape",
  moody: { source: MOODY },
} as const;

interface Board {
  endMs: number;
  rows: { model: string; rank: number; windows: Record<string, number | null> }[];
}

/** Plays the pack over a replay until enough rounds are scored; then nothing scores any more. */
async function play(env: Record<string, string>): Promise<TestNode & { api: string }> {
  const port = String(await freePort());
  const node = await startNode({
    models: MODELS,
    groups: ["orchestrator", "score", "feed,predict", "report"],
    env: {
      COMPETITION: join(import.meta.dirname, "realtime/competition.ts"),
      MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: "0",
      FEED_CANDLES_WINDOW: String(WINDOW),
      SCORE_INTERVAL_SECONDS: String(SCORE_EVERY_MS / 1_000),
      REPORT_API_PORT: port,
      ...env,
    },
  });
  try {
    await until(`${ROUNDS} rounds on boards of all models`, 150_000, async () => {
      const newest = (await storedBoards(node)).at(-1);
      const { answers } = await dump(node, GRANULARITY_MS);
      const scored = answers.filter((a) => a.model === "momentum" && a.status === "SCORED");
      return scored.length >= ROUNDS && newest?.rows.length === Object.keys(MODELS).length;
    });
    await node.term("score");
    return Object.assign(node, { api: `http://127.0.0.1:${port}` });
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
}

const windowsOf = (metrics: Record<string, number | null>) =>
  Object.fromEntries(competition.windows.map(({ name }) => [name, metrics[name] ?? null]));

async function storedBoards({ db }: TestNode): Promise<Board[]> {
  const boards = await db
    .selectFrom("leaderboards")
    .select(["window_end", "entries_jsonb"])
    .orderBy("window_end")
    .execute();
  const rowOf = ({ model_id, rank, score }: LeaderboardEntryRow) => ({
    model: model_id,
    rank,
    windows: windowsOf(score.metrics),
  });
  return boards.map((b) => ({ endMs: b.window_end.getTime(), rows: b.entries_jsonb.map(rowOf) }));
}

/** The newest board as /reports/leaderboard gives it, and its instant. */
async function publicBoard(api: string): Promise<Board> {
  const get = async (path: string) => (await fetch(`${api}${path}`)).json();
  const view = (await get("/v1/leaderboard")) as { window_end: string };
  const rows = (await get("/reports/leaderboard")) as ({ model_id: string; rank: number } & Record<string, number>)[];
  return {
    endMs: Date.parse(view.window_end),
    rows: rows.map((r) => ({ model: r.model_id, rank: r.rank, windows: windowsOf(r) })),
  };
}

function expectSame(board: Board, expected: readonly ExpectedRow[]): void {
  const at = new Date(board.endMs).toISOString();
  expect(
    board.rows.map((r) => [r.rank, r.model]),
    at,
  ).toEqual(expected.map((e) => [e.rank, e.model]));
  for (const [i, row] of board.rows.entries())
    for (const [name, value] of Object.entries(row.windows))
      expect(value, `${at} ${row.model} ${name}`).toBe(expected[i]!.windows[name]);
}

async function expectIndependentBoards(node: TestNode & { api: string }, raw: Dump): Promise<Board[]> {
  const expected = (endMs: number) =>
    expectedBoard(raw, competition, { endMs, scoreEveryMs: SCORE_EVERY_MS, granularityMs: GRANULARITY_MS });
  const shown = await publicBoard(node.api);
  expect(shown.rows).toHaveLength(Object.keys(MODELS).length);
  expectSame(shown, expected(shown.endMs));
  const stored = await storedBoards(node);
  expect(stored.at(-1)!.endMs).toBe(shown.endMs);
  for (const board of stored.slice(-6)) expectSame(board, expected(board.endMs));
  const rankOf = (model: string) => shown.rows.find((r) => r.model === model)!.rank;
  expect(rankOf("twin")).toBe(rankOf("steady"));
  expect(shown.rows.some((r) => r.windows.score_recent !== r.windows.score_steady)).toBe(true);
  return stored;
}

/** What JSON stores knows no -0. */
const withoutNegativeZero = (text: string): unknown => JSON.parse(JSON.stringify(JSON.parse(text)));

/** Stored answers scored by the participants' package, and a backtest over the recorded prices, beside what the node stored. */
function expectSameDigits({ records, answers }: Dump, boards: readonly Board[]): void {
  const scored = answers.filter((a) => a.status === "SCORED");
  const live = scored.filter((a) => a.model === "momentum").toSorted((a, b) => a.dueMs - b.dueMs);
  const input = {
    ...{ records, window: WINDOW, subject: live[0]!.subject, from: live[0]!.dueMs, until: live.at(-1)!.dueMs + 1 },
    windows: competition.windows.map((w) => [w.name, w.hours]),
    scored: scored.map((a) => [a.output, a.truth]),
    ends: boards.map((b) => b.endMs),
  };
  const paths = [join(PACK, "challenge"), join(PACK, "challenge/examples"), join(PACK, "../python")];
  const said = withoutNegativeZero(
    execFileSync("python3", [join(import.meta.dirname, "realtime/check.py")], {
      input: JSON.stringify(input),
      env: { ...process.env, PYTHONPATH: paths.join(delimiter), PYTHONDONTWRITEBYTECODE: "1" },
      encoding: "utf8",
      maxBuffer: 64 * 1024 ** 2,
    }),
  ) as {
    rescored: unknown[];
    rows: { due_ms: number; resolved_ms: number; status: string; result?: unknown; reason?: string }[];
    boards: Record<string, number | null>[];
    summary: string;
  };
  expect(said.rescored).toEqual(scored.map((a) => a.result));
  const replayed = new Map(said.rows.map((r) => [r.due_ms, r]));
  const inTime = live.filter((a) => sawEverything(a, records));
  expect(inTime.length, "rounds of momentum before which no record came late").toBeGreaterThan(live.length / 2);
  for (const { dueMs, result } of inTime)
    expect(replayed.get(dueMs)?.result, `${new Date(dueMs).toISOString()} ${replayed.get(dueMs)?.reason}`).toEqual(
      result,
    );
  const compared = boards.flatMap((board, i) =>
    competition.windows.slice(0, 2).flatMap(({ name, hours }) => {
      if (!sameRounds(board.endMs, hours, inTime, answers, said.rows)) return [];
      expect(said.boards[i]![name], `${board.endMs} ${name}`).toBe(windowOf(board, "momentum", name));
      return [name];
    }),
  );
  expect(compared.length, "windows of momentum without a late record or answer").toBeGreaterThan(0);
  expect(said.summary).toContain("larger is better");
}

/** Whether the model was shown every record that was final at the due time: on a busy machine one may be stored after the question. */
function sawEverything({ dueMs, shown }: Answer, records: Dump["records"]): boolean {
  const known = records.filter(([final]) => final <= dueMs).slice(-WINDOW);
  const same = known.filter(([, , segment]) => segment === known.at(-1)![2]);
  return JSON.stringify(same.map(([, , , begin]) => begin / 1_000)) === JSON.stringify(shown);
}

const windowOf = ({ rows }: Board, model: string, name: string) => rows.find((r) => r.model === model)!.windows[name];

/** Whether the backtest and the live window of momentum are about the same scores: a late answer has a price of its own live. */
function sameRounds(
  endMs: number,
  hours: number,
  inTime: readonly Answer[],
  answers: readonly Answer[],
  rows: readonly { resolved_ms: number; status: string }[],
): boolean {
  const inside = (ms: number): boolean => ms >= endMs - hours * 3_600_000 && ms < endMs;
  const live = answers.filter((a) => a.model === "momentum" && inside(a.resolveMs) && a.result);
  const same = inTime.filter((a) => inside(a.resolveMs));
  const own = rows.filter((r) => r.status === "SCORED" && inside(r.resolved_ms));
  return live.length > 5 && live.length === same.length && live.length === own.length;
}

test("boards are those of the independent program, and a participant's backtest has the same digits", async () => {
  await using node = await play({});
  const raw = await dump(node, GRANULARITY_MS);
  const boards = await expectIndependentBoards(node, raw);
  expectSameDigits(raw, boards);
}, 300_000);

test.skipIf(!existsSync(RECORDED))(
  `the same over recorded candles with their gaps (skipped where ${RECORDED} is absent)`,
  async () => {
    await using node = await play({ FEED_SUBJECTS: "XRP", FEED_OPT_file: RECORDED });
    const raw = await dump(node, GRANULARITY_MS);
    const gaps = raw.records.filter(([final], i) => i > 0 && final - raw.records[i - 1]![0] > GRANULARITY_MS);
    expect(gaps.length).toBeGreaterThan(10);
    const boards = await expectIndependentBoards(node, raw);
    expectSameDigits(raw, boards);
  },
  300_000,
);
