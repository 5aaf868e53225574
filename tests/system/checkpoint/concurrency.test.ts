import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChainError, type ChainPort } from "../../../chain/port.ts";
import { checkpointById, transitionsOf } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { decisionsOf } from "../../../db/decisions.ts";
import { planOf } from "../../../db/submissions.ts";
import { checkpointId } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";
import { type ApiProcess, startApi } from "./api-process.ts";
import { perTest } from "./per-test.ts";
import * as w from "./world.ts";

const CALLERS = 10;
/** Twenty with CROWDS=full. */
const CHECKPOINTS = process.env.CROWDS === "full" ? 20 : 5;
/** How many checkpoints are decided about at once: the crowd is at each of them. */
const AT_ONCE = 4;

const one = perTest();
const { stops } = one;
let temporal: w.Temporal;
let db: Database;
let chain: typeof one.chain;
let port: ChainPort;
let competition: string;
let api: ApiProcess;
const startServer = async () => startApi({ ...temporal, url: one.database.url, competition });

beforeEach(async () => {
  ({ temporal, db, chain, competition } = one);
  port = await w.portOf(chain);
  api = await startServer();
});
afterEach(() => api.kill());

const periodOf = (n: number): Period => ({
  startMs: w.PERIOD.startMs + n * w.INTERVAL_MS,
  endMs: w.PERIOD.endMs + n * w.INTERVAL_MS,
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function ask(
  path: string,
  init: { method: string; body: object; key: string; ifMatch?: string },
): Promise<Answer> {
  const { method, body, key, ifMatch } = init;
  const answer = await fetch(api.url + path, {
    method,
    body: JSON.stringify(body),
    headers: {
      ...{ "content-type": "application/json", "idempotency-key": key },
      ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
    },
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
const etagOf = async (id: string): Promise<string> =>
  (await fetch(`${api.url}/v1/checkpoints/${id}`)).headers.get("etag")!;

/** Ten callers with keys of their own at the same moment. One is let in; the others are told why not. */
async function crowd(one: (caller: number) => Promise<Answer>, refusals: readonly number[]): Promise<Answer> {
  const answers = await Promise.all(Array.from({ length: CALLERS }, (_, caller) => one(caller)));
  const won = answers.filter(({ status }) => status === 200);
  expect(won, JSON.stringify(answers)).toHaveLength(1);
  for (const { status, body } of answers.filter((answer) => !won.includes(answer))) {
    expect(refusals, JSON.stringify(body)).toContain(status);
    expect(String(body.detail)).toMatch(
      /is (AWAITING|PLANNED|SIGNED|SENT|SEEN|BLOCKED|SUBMITTED|CLAIMABLE|PAYING|PAID)|carried out|ETag|by now|went on/,
    );
  }
  return won[0]!;
}

const phaseOf = async (id: string, ...phases: string[]): Promise<void> => {
  await w.eventually(async () => expect(phases).toContain((await checkpointById(db, id))?.phase), 60_000);
};

describe("ten callers at once, each with a key of its own", () => {
  test("approvals, retries, confirms and patches of each checkpoint: one success, and everybody is told the truth", async () => {
    const refusing = new Set<string>(["emission", "payouts"]);
    const { stop } = await w.startWorkers({
      ...{ ...temporal, db, deps: { approvesItself: false } },
      chain: {
        ...port,
        sign: async (plan, n) =>
          refusing.has(plan.part === 0 ? "emission" : "payouts") ? refuse() : port.sign(plan, n),
      },
    });
    stops.push(stop);
    for (let n = 0; n < CHECKPOINTS; n++) await w.seedPeriod(db, periodOf(n), 3);
    await w.runsOf(temporal, db, competition, periodOf(CHECKPOINTS - 1).endMs).ensureCheckpoints();
    const ids = Array.from({ length: CHECKPOINTS }, (_, n) => checkpointId(periodOf(n).endMs));
    const queue = ids.map((id, n) => ({ id, patched: n % 2 === 1 }));
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = queue.shift(); next; next = queue.shift()) await throughTheCrowds(next.id, next.patched);
      }),
    );
    refusing.clear();
    for (const id of ids) await phaseOf(id, "PAID");
    for (const id of ids) {
      const steps = (await transitionsOf(db, id)).map((step) => `${step.from_phase}>${step.to_phase}`);
      for (const once of ["AWAITING_APPROVAL>PLANNED", "FINAL>CLAIMABLE", "PAYING>PAID"])
        expect(steps.filter((step) => step === once)).toHaveLength(1);
      expect(steps.filter((step) => step.endsWith(">FINAL"))).toHaveLength(1);
      expect((await decisionsOf(db, id)).map(({ action }) => action)).toEqual(["approve", "retryBlocked", "confirm"]);
    }
  }, 240_000);

  async function throughTheCrowds(id: string, patched: boolean): Promise<void> {
    await phaseOf(id, "AWAITING_APPROVAL");
    let ifMatch = await etagOf(id);
    const approved = await crowd(
      (n) =>
        ask(`/v1/checkpoints/${id}/approvals`, {
          method: "POST",
          body: { actor: `a${n}` },
          key: `a-${id}-${n}`,
          ifMatch,
        }),
      [409, 412],
    );
    await phaseOf(id, "BLOCKED");
    expect((await transitionsOf(db, id)).find((step) => step.to_phase === "PLANNED")!.actor).toBe(approved.body.actor);
    ifMatch = await etagOf(id);
    await crowd(
      (n) =>
        ask(`/v1/checkpoints/${id}/submissions`, {
          method: "POST",
          body: { actor: `r${n}` },
          key: `r-${id}-${n}`,
          ifMatch,
        }),
      [409, 412],
    );
    await phaseOf(id, "BLOCKED");
    const landed = await port.sign((await planOf(db, id, 0))!, 1);
    await port.broadcast(landed);
    await w.eventually(async () => expect((await port.inspect((await planOf(db, id, 0))!, landed.id)).ours).toBe(true));
    const shown = await crowd(
      (n) =>
        patched
          ? ask(`/reports/checkpoints/${id}/status`, {
              method: "PATCH",
              body: { status: "SUBMITTED", tx_hash: landed.id },
              key: `c-${id}-${n}`,
            })
          : ask(`/reports/checkpoints/${id}/confirm`, {
              method: "POST",
              body: { tx_hash: landed.id },
              key: `c-${id}-${n}`,
            }),
      [409],
    );
    expect(shown.body).toMatchObject({ id, status: "SUBMITTED", tx_hash: landed.id });
  }
});

describe("the same key", () => {
  test("answers as the first time: at once, when the API died before it could answer, and after the workflow ended; another body is refused", async () => {
    const [entered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { stop } = await w.startWorkers({
      ...{ ...temporal, db, chain: port, deps: { approvesItself: false } },
      around: async (name, run) => {
        if (name !== "freezePlan") return run();
        const done = await run();
        entered.resolve();
        await released.promise;
        return done;
      },
    });
    stops.push(stop);
    await w.seedPeriod(db, w.PERIOD);
    await w.runsOf(temporal, db, competition).ensureCheckpoints();
    const id = checkpointId(w.PERIOD.endMs);
    await phaseOf(id, "AWAITING_APPROVAL");
    let ifMatch = await etagOf(id);
    const approve = (actor = "alice", key = "k1") =>
      ask(`/v1/checkpoints/${id}/approvals`, { method: "POST", body: { actor }, key, ifMatch });
    expect(await ask(`/v1/checkpoints/${id}/approvals`, { method: "POST", body: {}, key: "k0" })).toMatchObject({
      status: 428,
    });
    expect(
      await ask(`/v1/checkpoints/${id}/approvals`, { method: "POST", body: {}, key: "k0", ifMatch: '"x-0"' }),
    ).toMatchObject({
      status: 412,
    });
    const unanswered = approve().catch((error: unknown) => error);
    await entered.promise;
    await api.kill();
    expect(await unanswered).toBeInstanceOf(Error);
    api = await startServer();
    const [again, twice] = [approve(), approve()];
    released.resolve();
    const first = await again;
    expect(first).toMatchObject({ status: 200, body: { id, action: "approve", actor: "alice", phase: "PLANNED" } });
    expect(await twice).toEqual(first);
    expect(await approve("bob")).toMatchObject({ status: 422, body: { code: "idempotency-key-reused" } });
    await phaseOf(id, "PAID");
    expect(await approve()).toEqual(first);
    expect(await approve("alice", "k2")).toMatchObject({ status: 412 });
    ifMatch = await etagOf(id);
    expect(await approve("alice", "k2")).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining("is PAID") },
    });
    const steps = await transitionsOf(db, id);
    expect(steps.filter((step) => step.from_phase === "AWAITING_APPROVAL")).toHaveLength(1);
    expect(await decisionsOf(db, id)).toHaveLength(1);
    for (const status of ["SUBMITTED", "CLAIMABLE"])
      expect(
        await ask(`/reports/checkpoints/${id}/status`, {
          method: "PATCH",
          body: { status, tx_hash: "x" },
          key: `p-${status}`,
        }),
      ).toEqual({
        status: 409,
        body: { detail: `Cannot transition from PAID to ${status}. Allowed: []` },
      });
  });

  test("without a worker the caller is told so, and the decision is carried out once when one is back", async () => {
    const options = { ...temporal, db, chain: port, deps: { approvesItself: false } };
    const first = await w.startWorkers(options);
    await w.seedPeriod(db, w.PERIOD);
    await w.runsOf(temporal, db, competition).ensureCheckpoints();
    const id = checkpointId(w.PERIOD.endMs);
    await phaseOf(id, "AWAITING_APPROVAL");
    await first.stop();
    const ifMatch = await etagOf(id);
    const approve = () =>
      ask(`/v1/checkpoints/${id}/approvals`, { method: "POST", body: { actor: "alice" }, key: "k", ifMatch });
    expect(await approve()).toMatchObject({
      status: 503,
      body: { code: "workflows-away", detail: expect.stringContaining("same Idempotency-Key") },
    });
    const { stop } = await w.startWorkers(options);
    stops.push(stop);
    const done = await w.eventually(async () => {
      const answer = await approve();
      expect(answer.status).toBe(200);
      return answer;
    }, 60_000);
    expect(done.body).toMatchObject({ actor: "alice", phase: "PLANNED" });
    await phaseOf(id, "PAID");
    expect(await decisionsOf(db, id)).toHaveLength(1);
  });
});

const refuse = (): never => {
  throw new ChainError("REFUSED", "the test refuses to sign");
};
