import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MockActivityEnvironment } from "@temporalio/testing";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSubmissionActivities } from "../../../activities/submission.ts";
import { ChainError, type ChainPort } from "../../../chain/port.ts";
import { type CheckpointRow, transitionsOf } from "../../../db/checkpoints.ts";
import { planOf } from "../../../db/submissions.ts";
import { pollMs } from "../../../domain/polling.ts";
import { decisionUpdates } from "../../../workflows/decisions.ts";
import { claimsPort } from "./claims.ts";
import { runsOfWorkflow, summaries } from "./histories.ts";
import { TIMES_FASTER } from "./timer-scale.ts";
import * as w from "./world.ts";

/** Simulated; CLAIM_DAYS=60 is the long form (1,451 looks, 17 runs). Four days are more than the history of one run holds. */
const DAYS = Number(process.env.CLAIM_DAYS ?? 8);
const DAY_MS = 86_400_000;
const MAX_EVENTS = 2_000;
const dir = mkdtempSync(join(tmpdir(), "almanac-waits-"));

let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
let chain: Awaited<ReturnType<typeof w.fundedChain>>;
let competition: string;
let stop: () => Promise<void>;

beforeAll(async () => {
  temporal = await w.testTemporal();
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(import.meta.dirname, "../../../workflows/index.ts"),
    workflowInterceptorModules: [join(import.meta.dirname, "fast-timers.ts")],
    logger: new DefaultLogger("ERROR"),
  });
  const codePath = join(dir, "fast-workflows.js");
  writeFileSync(codePath, code);
  temporal = { ...temporal, bundle: { codePath } };
}, 120_000);
afterAll(async () => {
  await temporal.close();
  rmSync(dir, { recursive: true });
});

beforeEach(async () => {
  [database, chain, competition] = [await w.testDatabase(), await w.fundedChain(), w.newCompetition()];
  await w.seedPeriod(database.db, w.PERIOD);
});
afterEach(async () => {
  await temporal.client.workflow
    .getHandle(w.workflowIdOf(competition))
    .terminate("test over")
    .catch(() => undefined);
  await stop();
  await chain.close();
  await database.close();
});

const begin = async (port: ChainPort) => {
  stop = (await w.startWorkers({ ...temporal, db: database.db, chain: port })).stop;
  await w.runsOf(temporal, database.db, competition).ensureCheckpoints();
};
const until = (done: (row: CheckpointRow) => boolean) => w.until(database.db, w.PERIOD, done);
/** The row says so a moment before the workflow knows. */
const decide = (kind: "retry" | "retryBlocked") =>
  w.eventually(() =>
    temporal.client.workflow
      .getHandle(w.workflowIdOf(competition))
      .executeUpdate(decisionUpdates[kind], { args: [undefined] }),
  );
const stepsOf = async (id: string) =>
  (await transitionsOf(database.db, id)).map((step) => `${step.from_phase}>${step.to_phase} ${step.chain_attempt}`);
const attempts = () =>
  database.db.selectFrom("submission_attempts").select(["n", "outcome"]).where("part", "=", 0).orderBy("n").execute();

describe("a submission that cannot go on", () => {
  test("two endpoints that differ: the cause is shown, nothing is done; it goes on when they agree", async () => {
    const port = await w.portOf(chain);
    let differ = true;
    const differs = () => {
      if (differ) throw new ChainError("DISAGREEMENT", "one says this, the other that");
    };
    const observe: ChainPort["observe"] = async (...all) => {
      differs();
      return port.observe(...all);
    };
    await begin({ ...port, observe });
    expect(await until((row) => row.cause !== null)).toMatchObject({
      ...{ phase: "PLANNED", status: "PENDING", cause: "one says this, the other that" },
    });
    expect(await attempts()).toEqual([]);
    differ = false;
    const paid = await until((row) => row.phase === "PAID");
    expect(paid.cause).toBeNull();
    expect(await attempts()).toEqual([{ n: 1, outcome: "FINAL" }]);
  });

  test("blocked while its bytes are under way: after retryBlocked the same attempt is looked for, none is signed", async () => {
    const port = await w.portOf(chain);
    let [wrong, sent, finals] = [false, 0, 0];
    await begin({
      ...port,
      broadcast: async (attempt) => {
        wrong = sent++ === 0;
        await port.broadcast(attempt);
      },
      observe: async (...all) => {
        if (wrong) throw new ChainError("WRONG_GENESIS", "another cluster");
        const verdict = await port.observe(...all);
        return verdict.kind === "final" && finals++ === 0
          ? { kind: "seen", slot: verdict.slot, signature: all[1]!.id }
          : verdict;
      },
    });
    const { id, cause } = await until((row) => row.phase === "BLOCKED");
    expect(cause).toBe("WRONG_GENESIS: another cluster");
    wrong = false;
    await decide("retryBlocked");
    await until((row) => row.phase === "PAID");
    expect(await attempts()).toEqual([{ n: 1, outcome: "FINAL" }]);
    expect((await stepsOf(id)).slice(4)).toEqual(
      expect.arrayContaining([
        "SENT>BLOCKED 1",
        "BLOCKED>PLANNED 2",
        "PLANNED>SIGNED 2",
        "SIGNED>SEEN 2",
        "SEEN>FINAL 2",
      ]),
    );
  });

  test("a cluster that must not be written to: blocked before a plan is made, frozen once by retryBlocked", async () => {
    const port = await w.portOf(chain);
    let wrong = true;
    const freeze: ChainPort["freeze"] = async (plan) => {
      if (wrong) throw new ChainError("WRONG_GENESIS", "another cluster");
      return port.freeze(plan);
    };
    await begin({ ...port, freeze });
    const { id } = await until((row) => row.phase === "BLOCKED");
    expect(await planOf(database.db, id, 0)).toBeUndefined();
    expect(await decide("retryBlocked")).toMatchObject({ phase: "BLOCKED" });
    wrong = false;
    await decide("retryBlocked");
    await until((row) => row.phase === "PAID");
    const { freezePlan } = createSubmissionActivities({
      ...{ db: database.db, chain: port },
      log: w.quiet,
      crunch: "crunch",
    });
    const before = await stepsOf(id);
    for (let i = 0; i < 5; i++)
      await new MockActivityEnvironment().run(freezePlan, { id, reason: { actor: "node", cause: "again" } });
    expect(await stepsOf(id)).toEqual(before);
    expect(before.filter((step) => step.includes(">PLANNED"))).toEqual(["BLOCKED>PLANNED 2"]);
  });

  test("ten attempts that die are enough: FAILED, shown as PENDING; a retry has ten more", async () => {
    const port = await w.portOf(chain);
    let lost = true;
    await begin({
      ...port,
      broadcast: (attempt) => (lost ? Promise.resolve() : port.broadcast(attempt)),
      observe: async (plan, last, since) => {
        const verdict = await port.observe(plan, last, since);
        return lost && verdict.kind === "live" ? { kind: "dead", slot: verdict.slot, reason: "never landed" } : verdict;
      },
    });
    const failed = await until((row) => row.phase === "FAILED");
    expect(failed).toMatchObject({ status: "PENDING", cause: expect.stringContaining("10 attempts died") });
    expect(await attempts()).toHaveLength(10);
    lost = false;
    await decide("retry");
    await until((row) => row.phase === "PAID");
    // The tenth may still have been alive after all: then it is the one that lands.
    expect((await attempts()).filter((a) => a.outcome === "FINAL")).toHaveLength(1);
    expect(w.landedOn(chain, (await planOf(database.db, failed.id, 0))!.key.address)).toBe(1);
  });
});

/** Everybody has claimed after so many simulated days. */
async function claimedAfter(days: number) {
  let waitedMs = 0;
  return claimsPort(await w.portOf(chain), database.db, (recipients, look) => {
    const claimed = waitedMs >= days * DAY_MS ? recipients : 0;
    waitedMs += pollMs(look);
    return claimed;
  });
}

test(
  `claims that take ${DAYS} days: CLAIMABLE until the chain shows the last one, looked for every hour, no run of more than ${MAX_EVENTS} events`,
  async () => {
    const { db } = database;
    const port = await claimedAfter(DAYS);
    const { looks } = port;
    await begin(port);
    const waiting = await w.until(db, w.PERIOD, (row) => row.cause !== null && looks() > 20);
    expect(waiting).toMatchObject({ phase: "CLAIMABLE", cause: expect.stringMatching(/paid to 0 of \d+ so far/) });
    const paid = await w.until(db, w.PERIOD, (row) => row.phase === "PAID", (60 + DAYS * 12) * 1_000);
    expect(paid).toMatchObject({ status: "PAID", cause: null });

    const runs = await runsOfWorkflow(temporal, w.workflowIdOf(competition));
    const events = runs.map((run) => run.length);
    expect(Math.max(...events)).toBeLessThan(MAX_EVENTS);
    expect(runs.length).toBeGreaterThan(DAYS / 8);
    const waitedMs = runs.flat().reduce((sum, { timerStartedEventAttributes: timer }) => {
      const { seconds, nanos } = timer?.startToFireTimeout ?? {};
      return sum + (Number(seconds ?? 0) * 1_000 + Number(nanos ?? 0) / 1e6) * TIMES_FASTER;
    }, 0);
    expect(waitedMs).toBeGreaterThan(DAYS * DAY_MS);
    // Once an hour, after the first looks: the wait is not begun anew by a new run.
    expect(looks()).toBeLessThan(DAYS * 24 + 20);
    const hours = runs.flatMap(summaries).filter((text) => text.startsWith("waits 1 h "));
    expect(hours.length).toBeGreaterThan(DAYS * 24 - 5);
  },
  (120 + DAYS * 12) * 1_000,
);
