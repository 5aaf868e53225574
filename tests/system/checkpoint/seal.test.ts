import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CheckpointDeps, createCheckpointActivities, type SealedPeriod } from "../../../activities/checkpoint.ts";
import { type CheckpointMeta, sealOf } from "../../../activities/seal.ts";
import { localRegistry, type Recipients } from "../../../chain/recipients.ts";
import { recipientsIndex } from "../../../chain/recipients-index.ts";
import { checkpointById, insertSealed, transitionsOf } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { snapshotsOfPeriod } from "../../../db/period-snapshots.ts";
import { checkpointId } from "../../../domain/ids.ts";
import { quiet } from "./workers.ts";
import { seedPeriod, testDatabase } from "./world.ts";

const T0 = Date.UTC(2026, 0, 5);
const MINUTE = 60_000;
const at = (minutes: number): number => T0 + minutes * MINUTE;
const contract = { ranking: { key: "overall", direction: "desc" as const }, windows: [] };
const providers = { computeProvider: "", dataProvider: "" };

/** As Temporal runs them; failures are asked for here, and not logged. */
const activity = () => new MockActivityEnvironment({}, { logger: new DefaultLogger("ERROR") });

let database: Awaited<ReturnType<typeof testDatabase>>;
let db: Database;
beforeEach(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(() => database.close());

function sealing(more: Partial<CheckpointDeps> & { contract?: Partial<CheckpointDeps["seal"]["contract"]> } = {}) {
  const seal = { crunch: "crunch", contract: { ...contract, ...more.contract }, ...providers };
  const deps = { db, log: quiet, recipients: localRegistry, publicUrl: "http://node.test", seal, ...more };
  const { sealPeriod, resealPeriod } = createCheckpointActivities(deps);
  return {
    seal: (start: number, end: number) =>
      activity().run(sealPeriod, { startMs: at(start), endMs: at(end) }) as Promise<SealedPeriod>,
    reseal: (end: number) =>
      activity().run(resealPeriod, {
        id: checkpointId(at(end)),
        reason: { actor: "operator", cause: "mended" },
      }),
  };
}
/** Statements of this database that wait for a lock. */
const waitingForLocks = async (db: Database): Promise<number> => {
  const { rows } = await sql<{
    count: number;
  }>`select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
    db,
  );
  return rows[0]!.count;
};
const rowOf = async (end: number) => (await checkpointById(db, checkpointId(at(end))))!;
const metaOf = async (end: number) => (await rowOf(end)).meta_jsonb as unknown as CheckpointMeta;
const windowFrom = (start: number, end: number, status: "OPEN" | "COMMITTED" = "COMMITTED") =>
  db
    .insertInto("scoring_windows")
    .values({ start_at: new Date(at(start)), end_at: new Date(at(end)), status })
    .execute();
const model = (id: string, more: object = {}) =>
  db
    .insertInto("models")
    .values({ ...{ id, name: id, deployment_identifier: id, player_id: `p-${id}`, player_name: id }, ...more })
    .execute();

/** A snapshot of the window [start, end), committed with it unless `by` says otherwise. */
const snapshot = (
  id: string,
  [start, end]: readonly [number, number],
  { by = end, count = 10, summary = {} as object, supersedes = null as string | null, revision = 0 },
) =>
  db
    .insertInto("snapshots")
    .values({
      ...{ id: `${id}@${end}#${revision}`, model_id: id, window_end: new Date(at(by)), revision, supersedes },
      ...{ period_start: new Date(at(start)), period_end: new Date(at(end)), prediction_count: count },
      ...{ result_summary_jsonb: JSON.stringify(summary), content_hash: `${id}${end}${revision}`.padStart(64, "0") },
    })
    .execute();
const notYet = (type: string) => expect.objectContaining({ type, nonRetryable: false, nextRetryDelay: "1s" });

describe("when a period may be sealed", () => {
  test("not before its last window is committed; a window that is late by ten minutes is waited for", async () => {
    const { seal } = sealing();
    await expect(seal(0, 2)).rejects.toEqual(notYet("WindowsNotCommitted"));
    await windowFrom(0, 1);
    await expect(seal(0, 2)).rejects.toEqual(notYet("WindowsNotCommitted"));
    await windowFrom(1, 2, "OPEN");
    await windowFrom(2, 12); // what comes after does not hurry it
    await expect(seal(0, 2)).rejects.toThrow("2026-01-05T00:02:00.000Z is not committed");
    expect(await db.selectFrom("checkpoints").select("id").execute()).toEqual([]);
    await db.updateTable("scoring_windows").set({ status: "COMMITTED" }).execute();
    expect(await seal(0, 2)).toMatchObject({ id: "CKP_20260105_000200", phase: "SEALED" });
  });

  test("a hole between windows is no committed time", async () => {
    await windowFrom(0, 1);
    await windowFrom(2, 3);
    await expect(sealing().seal(0, 3)).rejects.toEqual(notYet("WindowsNotCommitted"));
    await windowFrom(1, 2);
    expect(await sealing().seal(0, 3)).toMatchObject({ phase: "SEALED" });
  });

  test("a window belongs to the period in which it ends; one that reaches beyond the end is not waited for", async () => {
    await model("a");
    await windowFrom(0, 3);
    await windowFrom(3, 7, "OPEN"); // cut before the interval was changed
    await snapshot("a", [0, 3], { summary: { value: 1 } });
    await snapshot("a", [3, 7], { summary: { value: 5 } });
    const { seal } = sealing();
    expect(await seal(0, 5)).toMatchObject({ phase: "SEALED" });
    expect((await metaOf(5)).ranking).toMatchObject([{ value: 1, prediction_count: 10 }]);
    await expect(seal(5, 7)).rejects.toEqual(notYet("WindowsNotCommitted"));
    await db.updateTable("scoring_windows").set({ status: "COMMITTED" }).execute();
    expect(await seal(5, 7)).toMatchObject({ phase: "SEALED" });
    expect((await metaOf(7)).ranking).toMatchObject([{ value: 5 }]);
  });

  test("in order, from the period in which the competition began, each time once", async () => {
    for (let end = 3; end <= 8; end++) await windowFrom(end - 1, end);
    const { seal } = sealing();
    await expect(seal(4, 6)).rejects.toEqual(notYet("EarlierPeriodOpen"));
    await expect(seal(-4, 0)).rejects.toEqual(notYet("WindowsNotCommitted")); // nobody competed then
    expect(await seal(0, 4)).toMatchObject({ phase: "SEALED" });
    await expect(seal(6, 8)).rejects.toEqual(notYet("EarlierPeriodOpen"));
    await expect(seal(2, 6)).rejects.toMatchObject({ type: "PeriodOverlap", nonRetryable: true });
    await seal(4, 6);
    expect(await seal(4, 6)).toMatchObject({ id: "CKP_20260105_000600" });
    const overlapping = sql`insert into checkpoints (id, period_start, period_end, status, phase, entries_jsonb, emission_jsonb, merkle_root, emission_hash)
      values ('x', ${new Date(at(5))}, ${new Date(at(7))}, 'PENDING', 'SEALED', '[]', '{}', '', '')`;
    await expect(overlapping.execute(db)).rejects.toThrow("checkpoints_tile");
  });

  test("two seals at once make one checkpoint, one step and one entry of the log", async () => {
    await seedPeriod(db, { startMs: at(0), endMs: at(2) });
    const { seal } = sealing();
    const all = await Promise.all(Array.from({ length: 6 }, () => seal(0, 2)));
    expect(new Set(all.map((a) => JSON.stringify(a))).size).toBe(1);
    expect(await transitionsOf(db, all[0]!.id)).toHaveLength(1);
    expect(await db.selectFrom("checkpoint_log").select("idx").execute()).toEqual([{ idx: 0 }]);
  });

  test("a seal that looked before another one committed finds that one, and does not say that its time is taken", async () => {
    const period = { startMs: at(0), endMs: at(2) };
    await seedPeriod(db, period);
    const { seal } = sealing();
    const held = await db.startTransaction().execute();
    await sql`lock table scoring_windows in access exclusive mode`.execute(held);
    const slow = seal(0, 2); // found no checkpoint, and waits for the windows
    await expect.poll(() => waitingForLocks(db), { timeout: 30_000 }).toBe(1);
    const sealed = await sealOf(
      held as unknown as Database,
      localRegistry,
      { crunch: "crunch", contract, ...providers },
      period,
    );
    const row = await insertSealed(held, sealed, { actor: "node", cause: "the faster" });
    await held.commit().execute();
    expect(await slow).toMatchObject({ id: row.id, phase: "SEALED" });
    expect(await transitionsOf(db, row.id)).toMatchObject([{ cause: "the faster" }]);
  });

  test("a crash inside the transaction leaves nothing, and the next try all of it", async () => {
    await seedPeriod(db, { startMs: at(0), endMs: at(2) });
    await sql`create function crash() returns trigger language plpgsql as $$ begin raise exception 'crash'; end $$`.execute(
      db,
    );
    await sql`create trigger crash before insert on checkpoint_log for each row execute function crash()`.execute(db);
    const { seal } = sealing();
    await expect(seal(0, 2)).rejects.toThrow("crash");
    for (const table of ["checkpoints", "checkpoint_transitions"] as const)
      expect(await db.selectFrom(table).select("tx_hash").execute()).toEqual([]);
    await sql`drop trigger crash on checkpoint_log`.execute(db);
    const sealed = await seal(0, 2);
    const entry = await db.selectFrom("checkpoint_log").selectAll().executeTakeFirstOrThrow();
    const row = await rowOf(2);
    expect(entry).toMatchObject({ idx: 0, checkpoint_id: sealed.id, note: null });
    expect(entry.record_jsonb).toMatchObject({ root: row.merkle_root, emission_hash: row.emission_hash });
  });
});

describe("who is ranked, and by what", () => {
  const field = async () => {
    for (const id of ["a", "b", "c"]) await model(id);
    await model("__ensemble_main__", { virtual: true });
    await windowFrom(0, 2);
  };

  test("a window of the leaderboard is the score over the period; a metric is itself; the direction is the contract's", async () => {
    await field();
    await snapshot("a", [0, 2], { summary: { value: 3, ic: 0.1 } });
    await snapshot("b", [0, 2], { summary: { value: 2, ic: 0.3 } });
    await snapshot("c", [0, 2], { summary: { value: 1, ic: 0.2 } });
    await snapshot("__ensemble_main__", [0, 2], { summary: { value: 9, ic: 0.9 } });
    const windows = [{ name: "score_recent", hours: 24 }];
    const orders = [
      ["score_recent", "desc", ["a", "b", "c"]],
      ["overall", "asc", ["c", "b", "a"]],
      ["ic", "desc", ["b", "c", "a"]],
    ] as const;
    for (const [key, direction, order] of orders) {
      const settings = { crunch: "crunch", contract: { windows, ranking: { key, direction } }, ...providers };
      const { meta } = await sealOf(db, localRegistry, settings, { startMs: at(0), endMs: at(2) });
      expect((meta as CheckpointMeta).ranking.map((m) => m.model_id)).toEqual(order);
    }
  });

  test("where no snapshot has the key nobody is paid by chance: BLOCKED, until the contract is mended", async () => {
    await field();
    for (const id of ["a", "b", "c"]) await snapshot(id, [0, 2], { summary: { value: id === "b" ? 2 : 1 } });
    const wrong = sealing({ contract: { ranking: { key: "ic", direction: "desc" } } });
    expect(await wrong.seal(0, 2)).toMatchObject({ phase: "BLOCKED", hasEmission: false });
    expect((await rowOf(2)).cause).toMatch(
      /^none of the 3 models that predicted has a number called ic.*then retryBlocked$/,
    );
    expect(await wrong.reseal(2)).toMatchObject({ phase: "BLOCKED" });
    expect(await db.selectFrom("checkpoint_log").select("idx").execute()).toEqual([]);
    expect(await sealing().reseal(2)).toMatchObject({ phase: "SEALED", hasEmission: true, cause: null });
    expect((await metaOf(2)).ranking.map((m) => m.model_id)).toEqual(["b", "a", "c"]);
    expect(await db.selectFrom("checkpoint_log").select("idx").execute()).toEqual([{ idx: 0 }]);
  });

  test("a model without the key beside others that have it is named, and not ranked", async () => {
    await field();
    await snapshot("a", [0, 2], { summary: { value: 1, ic: 0.1 } });
    await snapshot("b", [0, 2], { summary: { value: 2 } });
    await snapshot("c", [0, 2], { count: 0, summary: { missed: 4 } });
    await sealing({ contract: { ranking: { key: "ic", direction: "desc" } } }).seal(0, 2);
    const meta = await metaOf(2);
    expect(meta.ranking).toMatchObject([{ model_id: "a", reward_frac64: 1_000_000_000 }]);
    expect(meta.unranked).toEqual([{ model_id: "b", model_name: "b", prediction_count: 10 }]);
  });

  test("a period in which nobody predicted is quiet, not BLOCKED", async () => {
    await field();
    await snapshot("a", [0, 2], { count: 0, summary: { missed: 4 } });
    expect(await sealing().seal(0, 2)).toMatchObject({ phase: "SEALED" });
    expect(await rowOf(2)).toMatchObject({ emission_jsonb: { cruncher_rewards: [] } });
    expect(await metaOf(2)).toMatchObject({ model_count: 0, snapshot_count: 1, ranking: [], unranked: [] });
  });

  test("pages make no difference, and neither does a correction of what another page holds", async () => {
    await field();
    await windowFrom(2, 4);
    for (const id of ["a", "b", "c"]) {
      await snapshot(id, [0, 2], { summary: { value: 1 } });
      await snapshot(id, [2, 4], { summary: { value: 2 } });
      await snapshot(id, [0, 2], { by: 4, revision: 1, count: 12, summary: { value: 3 }, supersedes: `${id}@2#0` });
    }
    await snapshot("__ensemble_main__", [2, 4], { summary: { value: 9 } });
    const all = await Array.fromAsync(snapshotsOfPeriod(db, at(0), at(4)));
    expect(all).toHaveLength(1);
    expect(all[0]).toHaveLength(9);
    for (const size of [1, 2, 3, 7]) {
      const pages = await Array.fromAsync(snapshotsOfPeriod(db, at(0), at(4), size));
      expect(pages.flat()).toEqual(all[0]);
      expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(size);
    }
    const later = (await Array.fromAsync(snapshotsOfPeriod(db, at(2), at(4), 2))).flat();
    expect(later.filter((s) => s.of_earlier_period).map((s) => s.superseded)).toEqual(
      ["a", "b", "c"].map(() => ({ prediction_count: 10, result_summary: { value: 1 } })),
    );
    expect(later).toHaveLength(6);
  });
});

describe("who is paid", () => {
  const shared = async () => {
    await windowFrom(0, 2);
    for (const [id, player_id, player_name] of [
      ["a", "1", "ann"],
      ["b", "2", "bob"],
      ["c", "1", "ann"],
      ["d", "3", "dan"],
    ] as const)
      await model(id, { player_id, player_name });
    for (const [i, id] of ["a", "b", "c", "d"].entries()) await snapshot(id, [0, 2], { summary: { value: 4 - i } });
  };
  const WALLET = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
  const listing = (...known: [string, number][]): Recipients => ({
    remedy: "complete the list",
    resolve: async () =>
      new Map(known.map(([id, cruncherIndex]) => [id, { address: WALLET, name: id, cruncherIndex }])),
  });

  test("a cruncher once, with the sum of its models, under its own index", async () => {
    await shared();
    await sealing({ recipients: listing(["1", 70], ["2", 5], ["3", 0]) }).seal(0, 2);
    const { ranking, recipients } = await metaOf(2);
    const [first, , third] = ranking.map((m) => m.reward_frac64);
    expect(recipients.map((r) => [r.cruncher_index, r.frac64])).toEqual([
      [70, first! + third!],
      [5, ranking[1]!.reward_frac64],
      [0, ranking[3]!.reward_frac64],
    ]);
    expect(recipients.reduce((sum, r) => sum + r.frac64, 0)).toBe(1_000_000_000);
  });

  test("everybody who is unknown is listed, and two crunchers of one entry are nobody's guess", async () => {
    await shared();
    await sealing({ recipients: listing(["1", 7]) }).seal(0, 2);
    expect((await rowOf(2)).cause).toBe(
      "no recipient is known for bob (2), dan (3): complete the list; then retryBlocked",
    );
    expect(await sealing({ recipients: listing(["1", 7], ["2", 8], ["3", 7]) }).reseal(2)).toMatchObject({
      phase: "BLOCKED",
      cause:
        "the entry with index 7 stands for ann (1) and dan (3): give each an entry of its own, with its id; then retryBlocked",
    });
    expect(await sealing({ recipients: listing(["1", 7], ["2", 8], ["3", 9]) }).reseal(2)).toMatchObject({
      phase: "SEALED",
    });
    expect((await transitionsOf(db, checkpointId(at(2)))).map((s) => [s.to_phase, s.actor])).toEqual([
      ["BLOCKED", "node"],
      ["SEALED", "operator"],
    ]);
  });

  test("an index that does not answer blocks nothing: the seal is tried again", async () => {
    await shared();
    const recipients = recipientsIndex({ url: "http://127.0.0.1:1", crunch: WALLET });
    await expect(sealing({ recipients }).seal(0, 2)).rejects.toThrow(
      /^the chain index http:\/\/127\.0\.0\.1:1\/crunches/,
    );
    expect(await db.selectFrom("checkpoints").select("id").execute()).toEqual([]);
  });

  test("what an emission of the contract's own refuses is the cause", async () => {
    await shared();
    const buildEmission = () => ({ z: 1 });
    expect(await sealing({ contract: { buildEmission } }).seal(0, 2)).toMatchObject({
      phase: "BLOCKED",
      cause: expect.stringMatching(/^buildEmission names "z".*then retryBlocked$/),
    });
    expect(await sealing({ contract: { buildEmission: () => ({ d: 1, b: 3 }) } }).reseal(2)).toMatchObject({
      phase: "SEALED",
    });
    expect((await metaOf(2)).recipients.map((r) => [r.cruncher_id, r.frac64])).toEqual([
      ["2", 750_000_000],
      ["3", 250_000_000],
    ]);
  });
});
