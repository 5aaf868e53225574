import { describe, expect, inject, it } from "vitest";
import { leaderboardCache } from "../../../api/leaderboard-cache.ts";
import { seed } from "./seed.ts";
import { seededNode } from "./seeded-node.ts";
import { freshDatabase } from "./world.ts";

const node = seededNode(60);
const { get, json } = node;

describe("leaderboard", () => {
  it("is answered with 304 to who has it", async () => {
    const first = await get("/reports/leaderboard");
    const etag = String(first.headers.etag);
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await get("/reports/leaderboard", { "if-none-match": `"other", W/${etag}` });
    expect([again.statusCode, again.body]).toEqual([304, ""]);
    expect((await get("/reports/leaderboard", { "if-none-match": '"other"' })).statusCode).toBe(200);
  });

  it("is made once per scoring window, and anew after the next one", async () => {
    await using own = await freshDatabase(inject("postgresUrl"));
    await seed(own.db, { nowMs: node.seeded.nowMs, rounds: 5 });
    let [clock, made] = [0, 0];
    const cached = leaderboardCache(own.db, () => clock);
    const end = async () =>
      JSON.parse((await cached("test", (board) => ({ end: board?.window_end, made: ++made }))).body);
    const first = await end();
    clock += 1_000;
    expect(await end()).toEqual(first);
    const next = new Date(Date.parse(first.end) + 60_000);
    await own.db.insertInto("leaderboards").values({ id: "next", window_end: next, entries_jsonb: "[]" }).execute();
    clock += 1_000;
    expect(await end()).toEqual({ end: next.toISOString(), made: 2 });
  });

  it("says how much of each window is covered, and who missed", async () => {
    const board = await json("/v1/leaderboard");
    expect(board.data[3]).toMatchObject({
      model_name: "slow-thinker",
      missed: 5,
      windows: { score_recent: { hours: 24, partial: true } },
    });
  });
});

describe("checkpoints", () => {
  it("show who is paid, to where", async () => {
    const view = await json("/v1/checkpoints/latest");
    expect(view).toMatchObject({
      id: node.seeded.checkpointIds[1],
      status: "PAID",
      phase: "PAID",
      workflow_id: expect.stringMatching(/^checkpoint\/starter-challenge\/\d+$/),
    });
    expect(view.emission[0]).toMatchObject({
      cruncher_name: "alice",
      cruncher_index: 0,
      frac64: "550000000",
      models: ["momentum", "slow-thinker"],
    });
    const sum = view.emission.reduce((total: bigint, share: { frac64: string }) => total + BigInt(share.frac64), 0n);
    expect(sum).toBe(1_000_000_000n);
  });

  it("show every step in order, the second attempt as such", async () => {
    const { data } = await json("/v1/checkpoints/latest/transitions");
    expect(data.map((s: { to_phase: string; chain_attempt: number }) => `${s.to_phase} ${s.chain_attempt}`)).toEqual([
      "SEALED 1",
      "AWAITING_APPROVAL 1",
      "PLANNED 1",
      "SIGNED 1",
      "SENT 1",
      "PLANNED 2",
      "SIGNED 2",
      "SENT 2",
      "SEEN 2",
      "FINAL 2",
      "CLAIMABLE 2",
      "PAYING 2",
      "PAID 2",
    ]);
  });
});
