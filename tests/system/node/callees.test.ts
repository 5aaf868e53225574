import { join } from "node:path";
import { expect, test } from "vitest";
import { dueNumber } from "../../../domain/schedule.ts";
import { startNode, type TestNode, until } from "./harness.ts";

const COMPETITION = join(import.meta.dirname, "competitions/callees/competition.ts");
const EVERY_MS = 1_000;
const OLDER = {
  source: `from tracker import TrackerBase


class Model(TrackerBase):
    ticks = 0

    def feed_update(self, data):
        self.ticks += 1

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        return {"value": float(self.ticks)}
`,
};
const MODELS = { follower: "follower", contrarian: "contrarian", steady: "steady" } as const;

async function collected(node: TestNode) {
  const rounds = await node.db
    .selectFrom("rounds")
    .select(["id", "due_at", "callees_jsonb as callees", "counts_jsonb as counts", "status"])
    .where("status", "in", ["WAITING", "RESOLVED", "SCORED"])
    .orderBy("due_at")
    .execute();
  const rows = await node.db
    .selectFrom("predictions")
    .select([
      "round_id",
      "model_id",
      "status",
      "deployment_id",
      "meta_jsonb as meta",
      "inference_output_jsonb as output",
    ])
    .execute();
  return rounds.map((round) => ({ ...round, rows: rows.filter((row) => row.round_id === round.id) }));
}
const number = (round: { due_at: Date }) => dueNumber({ everyMs: EVERY_MS, phaseMs: 0 }, round.due_at.getTime());

test("top 1 and everybody each third round: counted by due time, so a restart changes nothing; who is not called has no row", async () => {
  const env = {
    COMPETITION,
    CALLEES: JSON.stringify({ kind: "top", n: 1, everybodyEach: 3 }),
    PROVISIONAL_ROUNDS: "4",
  };
  await using node = await startNode({ models: MODELS, env });
  const chosen = async () => (await collected(node)).filter((round) => round.callees !== null);
  await until("rounds call the best only", 60_000, async () => (await chosen()).length >= 3);
  await node.kill("feed,predict");
  await node.start("feed,predict");
  const before = (await chosen()).length;
  await until("and go on to do so", 60_000, async () => (await chosen()).length >= before + 4);

  const rounds = await collected(node);
  const firstChosen = rounds.findIndex((round) => round.callees !== null);
  for (const round of rounds.slice(firstChosen))
    expect(round.callees === null, `round ${number(round)} calls everybody`).toBe(number(round) % 3 === 0);
  for (const round of rounds) {
    const called = round.rows.map((row) => row.model_id).sort();
    expect(called).toEqual(round.callees === null ? Object.keys(MODELS).sort() : [...round.callees].sort());
    expect(round.callees?.length ?? 3).toBeGreaterThan(0);
    expect(round.rows.every((row) => row.deployment_id !== "")).toBe(true);
  }
  const board = await node.db.selectFrom("leaderboards").select("entries_jsonb").execute();
  const leaders = new Set(board.flatMap((b) => b.entries_jsonb.filter((e) => e.rank === 1).map((e) => e.model_id)));
  for (const id of (await chosen()).flatMap((round) => round.callees ?? [])) expect(leaders).toContain(id);
  const own = (model: string) => rounds.flatMap((round) => round.rows.filter((row) => row.model_id === model));
  for (const model of Object.keys(MODELS)) expect(own(model)[0]?.meta).toEqual({ provisional: true });
  expect(rounds.at(-1)!.rows.filter((row) => row.meta.provisional !== true).length).toBeGreaterThan(0);
}, 200_000);

test("a list: only its models have rows; the others follow the market; one that knows only feed_update is understood", async () => {
  const env = { COMPETITION, CALLEES: JSON.stringify({ kind: "list", models: ["older", "nobody"] }) };
  await using node = await startNode({ models: { older: OLDER, steady: "steady" }, env });
  const answers = async () => (await collected(node)).filter((round) => round.counts?.answered === 1);
  await until("it has answered five rounds", 60_000, async () => (await answers()).length >= 5);
  const rounds = await collected(node);
  for (const round of rounds) {
    expect(round.callees).toEqual(["older", "nobody"]);
    expect(round.rows.map((row) => row.model_id)).toEqual(["older"]);
    expect(round.counts).toMatchObject({ called: 1, absent: 0 });
  }
  const ticks = (await answers()).map((round) => Number(round.rows[0]!.output?.value));
  expect(ticks[0]).toBeGreaterThan(0);
  expect(
    ticks.every((n, i) => i === 0 || n > ticks[i - 1]!),
    "each round brought it at least one tick",
  ).toBe(true);
}, 120_000);
