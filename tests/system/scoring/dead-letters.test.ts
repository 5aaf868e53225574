import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { retryDeadLetters } from "../../../activities/dead-letter.ts";
import { contractScorer } from "../../../competitions/scorer.ts";
import { askRetry, excuse, listDeadLetters } from "../../../db/dead-letters.ts";
import { serverOn } from "../api/world.ts";
import { type Answers, MINUTE_MS, scoringWorld, T0, testCompetition } from "./world.ts";

const MODELS = ["a", "b", "c"];
const HARD = 7;
const log = pino({ level: "silent" });
/** Model a says something in round 1 that the scorer cannot bear until it is mended. */
const answers: Answers = (model, i) => ({
  value: model === "a" && i === 1 ? HARD : (MODELS.indexOf(model) + 1) / 10 + i / 7,
});

async function world(options: { broken?: boolean; answers?: Answers } = {}) {
  const state = { broken: options.broken ?? true };
  const competition = testCompetition();
  const scorer = contractScorer((output, truth) => {
    if (state.broken && (output as { value: number }).value === HARD) throw new RangeError(`too hard: ${HARD}`);
    return competition.score(output, truth);
  }, "scorer-1");
  const scoring = await scoringWorld(competition, scorer);
  const ids = await scoring.collect({
    models: MODELS,
    from: 0,
    count: 4,
    everyMs: 10_000,
    answers: options.answers ?? answers,
  });
  for (const id of ids) await scoring.resolveTruth(id);
  for (const id of ids) await scoring.scoreRound(id);
  await scoring.build(T0, T0 + MINUTE_MS);
  return Object.assign(scoring, {
    state,
    scorer,
    competition,
    retry: () => retryDeadLetters({ db: scoring.db, competition, scorer, log }),
  });
}
type World = Awaited<ReturnType<typeof world>>;

const letter = async ({ db }: World) => (await listDeadLetters(db, { limit: 10 }))[0]!;
const predictionOf = ({ db }: World) =>
  db
    .selectFrom("predictions")
    .select(["status", "reason"])
    .where("model_id", "=", "a")
    .where("due_at", "=", new Date(T0 + 10_000))
    .executeTakeFirstOrThrow();
const nextWindow = (w: World) => w.build(T0 + MINUTE_MS, T0 + 2 * MINUTE_MS);
/** What a standing consists of, without what only says when it was written. */
const standings = async (w: World) =>
  (await w.board()).map(({ model_id, rank, score, windows }) => ({ model_id, rank, score, windows }));

describe("a dead letter", () => {
  test("names the prediction, the error and the tries; the others of its round are scored", async () => {
    await using w = await world();
    const rows = await listDeadLetters(w.db, { limit: 10 });
    expect(rows).toMatchObject([
      { model_id: "a", status: "OPEN", stage: "score", attempts: 3, error: "RangeError: too hard: 7" },
    ]);
    expect(await predictionOf(w)).toEqual({
      status: "FAILED",
      reason: "the scorer refused it 3 times: RangeError: too hard: 7",
    });
    const others = await w.db.selectFrom("predictions").select("status").where("model_id", "!=", "a").execute();
    expect(new Set(others.map((p) => p.status))).toEqual(new Set(["SCORED"]));
  });

  test("retried by a mended scorer: the next window's board is the one of a node whose scorer never failed", async () => {
    await using w = await world();
    await using reference = await world({ broken: false });
    w.state.broken = false;
    const { id } = await letter(w);
    expect(await w.retry()).toBe(0); // nobody asked yet
    expect(await askRetry(w.db, id, { actor: "carol", reason: "mended" })).toMatchObject({
      status: "RETRYING",
      actor: "carol",
    });
    expect((await Promise.all([w.retry(), w.retry()])).toSorted()).toEqual([0, 1]);
    expect(await letter(w)).toMatchObject({ status: "RETRIED", settled_at: expect.any(Date) });
    expect(await predictionOf(w)).toEqual({ status: "SCORED", reason: null });
    const before = await standings(w);
    await Promise.all([nextWindow(w), nextWindow(reference)]);
    expect(await standings(w)).toEqual(await standings(reference));
    expect(await standings(w)).not.toEqual(before);
  });

  test("retried in vain it is OPEN again, with the new error and all its tries", async () => {
    await using w = await world();
    const { id } = await letter(w);
    await askRetry(w.db, id, { actor: "carol", reason: null });
    expect(await w.retry()).toBe(0);
    expect(await letter(w)).toMatchObject({
      status: "OPEN",
      attempts: 6,
      error: "RangeError: too hard: 7",
      settled_at: null,
    });
    expect((await predictionOf(w)).status).toBe("FAILED");
  });

  test("excused, it does not count: the board is the one of a node that never asked the model", async () => {
    await using w = await world();
    await using reference = await world({
      answers: (model, i, scope) => (model === "a" && i === 1 ? null : answers(model, i, scope)),
    });
    const { id } = await letter(w);
    expect(await excuse(w.db, id, { actor: "carol", reason: "our scorer's fault" })).toMatchObject({
      status: "EXCUSED",
    });
    expect(await predictionOf(w)).toEqual({ status: "VOIDED", reason: "excused: our scorer's fault" });
    const before = await standings(w);
    await Promise.all([nextWindow(w), nextWindow(reference)]);
    expect(await standings(w)).toEqual(await standings(reference));
    expect(await standings(w)).not.toEqual(before);
    expect(await excuse(w.db, id, { actor: "dave", reason: "again" })).toBeUndefined();
    expect(await askRetry(w.db, id, { actor: "dave", reason: null })).toBeUndefined();
    const log = await w.db.selectFrom("audit_log").select(["actor", "action", "subject", "detail_jsonb"]).execute();
    expect(log).toEqual([
      {
        actor: "carol",
        action: "dead-letter.excuse",
        subject: `PRE_scoring/X-20/${T0 + 10_000}/a`,
        detail_jsonb: { dead_letter: id, reason: "our scorer's fault" },
      },
    ]);
  });

  test("of a prediction that was voided meanwhile is not scored any more", async () => {
    await using w = await world();
    w.state.broken = false;
    const { id } = await letter(w);
    await askRetry(w.db, id, { actor: "carol", reason: null });
    await w.db.updateTable("predictions").set({ status: "VOIDED" }).where("model_id", "=", "a").execute();
    expect(await w.retry()).toBe(0);
    expect(await letter(w)).toMatchObject({ status: "EXCUSED", reason: "the prediction is VOIDED" });
  });
});

describe("the API", () => {
  const KEY = "a-key-of-sixteen-or-more";
  const key = { "x-api-key": KEY };

  test("lists, retries and excuses; what cannot be is refused with the state it is in", async () => {
    await using w = await world();
    const app = await serverOn(w.db, Date.now());
    const { id } = await letter(w);
    const list = await app.inject({ url: "/v1/dead-letters?status=OPEN&model_id=a" });
    expect(list.json()).toMatchObject({
      data: [{ id, model_id: "a", error: "RangeError: too hard: 7" }],
      next_cursor: null,
    });
    expect((await app.inject({ url: "/v1/dead-letters?limit=1" })).json().next_cursor).toBe(id);
    expect((await app.inject({ url: `/v1/dead-letters?cursor=${id}` })).json().data).toEqual([]);
    const post = (path: string, payload: object) =>
      app.inject({ method: "POST", url: `/v1/dead-letters/${path}`, payload });
    const retried = await post(`${id}/retry`, { actor: "carol" });
    expect([retried.statusCode, retried.json().status]).toEqual([200, "RETRYING"]);
    const again = await post(`${id}/retry`, {});
    expect([again.statusCode, again.json().detail]).toEqual([409, `dead letter ${id} is RETRYING, not OPEN`]);
    expect((await post("999/retry", {})).statusCode).toBe(404);
    expect((await post("x/retry", {})).statusCode).toBe(400);
    const bare = await post(`${id}/excuse`, { reason: " " });
    expect([bare.statusCode, bare.json().detail]).toEqual([400, "reason: must not be empty"]);
    expect((await post(`${id}/excuse`, { reason: "ours" })).json()).toMatchObject({
      status: "EXCUSED",
      reason: "ours",
      actor: "api",
    });
  });

  test("writes want the key, and the scorer's words are the operator's", async () => {
    await using w = await world();
    const app = await serverOn(w.db, Date.now(), { apiKey: KEY, readAuth: false });
    const { id } = await letter(w);
    const url = "/v1/dead-letters";
    expect((await app.inject({ url })).json().data[0]).toMatchObject({ id, error: null });
    expect((await app.inject({ url, headers: key })).json().data[0].error).toBe("RangeError: too hard: 7");
    const refused = await app.inject({ method: "POST", url: `${url}/${id}/retry`, payload: {} });
    expect(refused.statusCode).toBe(401);
    expect((await letter(w)).status).toBe("OPEN");
    expect(
      (await app.inject({ method: "POST", url: `${url}/${id}/retry`, payload: {}, headers: key })).statusCode,
    ).toBe(200);
  });
});
