import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { sql } from "kysely";
import { expect, test } from "vitest";
import type { Part } from "../../../activities/replay-part.ts";
import type { RoundReplay } from "../../../activities/round-replay.ts";
import { startNode, type TestNode, until } from "./harness.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

/** `almanac round replay <id> --json` with the node's settings and others over them. */
function replay(node: TestNode, id: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["cli/main.ts", "round", "replay", id, "--json"], {
    cwd: ROOT,
    env: { ...node.env, ...env },
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(`exit code ${status}: ${stderr}`);
  const said = JSON.parse(stdout) as RoundReplay;
  return { status, said, parts: Object.fromEntries(said.parts.map((p) => [p.part, p])) as Record<string, Part> };
}

test("rounds of a running node are made again to the last byte; whatever is changed afterwards is found", async () => {
  await using node = await startNode({
    models: { steady: "steady", follower: "follower", broken: "raises", late: "hangs", heavy: "unbearable" },
    env: { CHECKPOINT_INTERVAL_SECONDS: "604800" },
  });
  const { db } = node;
  const scored = () => db.selectFrom("rounds").selectAll().where("status", "=", "SCORED").orderBy("due_at").execute();
  await until("rounds are scored", 60_000, async () => (await scored()).length >= 6);
  const rounds = (await scored()).slice(2, 5);
  for (const { id } of rounds) {
    const { said, status, parts } = replay(node, id);
    expect(said.parts.map((p) => [p.part, p.verdict, p.difference])).toEqual([
      ["input hash", "equal", null],
      ["input", "equal", null],
      ["truth", "equal", null],
      ["scores", "equal", null],
    ]);
    expect(parts.scores!.note).toBe("5 scores");
    expect([status, said.equal, said.contract.same]).toEqual([0, true, true]);
  }

  const { id, input_id } = rounds[0]!;
  const another = replay(node, id, { SCORER_SIGN: "-1" }); // the same sources that say otherwise: not the scorer that it was
  expect([another.status, another.said.equal]).toEqual([1, false]);
  expect(another.parts.scores).toMatchObject({
    verdict: "differs",
    difference: { field: "scores.broken.result.value" },
  });
  expect(another.parts.truth!.verdict).toBe("equal");

  await sql`update scores set value = value + 1e-9 where round_id = ${id} and model_id = 'steady'`.execute(db);
  expect(replay(node, id).parts.scores!.difference).toMatchObject({ field: "scores.steady.value" });
  await sql`update truths set result_jsonb = jsonb_set(result_jsonb, '{profit}', '0.5') where round_id = ${id}`.execute(
    db,
  );
  expect(replay(node, id).parts.truth!.difference).toMatchObject({ field: "result.profit", stored: 0.5 });
  await sql`update inputs set raw_data_jsonb = jsonb_set(raw_data_jsonb, '{symbol}', '"ABC"') where id = ${input_id}`.execute(
    db,
  );
  const forged = replay(node, id);
  expect(forged.status).toBe(1);
  expect(forged.parts["input hash"]!.verdict).toBe("differs");
  expect(forged.parts.input!.difference).toEqual({ field: "symbol", stored: "ABC", recomputed: "SP500" });

  const other = rounds[1]!;
  await sql`update feed_records set values_jsonb = jsonb_set(values_jsonb, '{close}', '1')
    where ts_event = (select max(ts_event) from feed_records where ts_event < ${other.due_at})`.execute(db);
  const altered = replay(node, other.id);
  expect([altered.parts["input hash"]!.verdict, altered.parts.input!.verdict]).toEqual(["equal", "differs"]);
  expect(altered.parts.input!.difference!.field).toMatch(/^candles_200ms\.\d+\.close$/);
  expect(altered.parts.scores!.verdict, "scores are made of the stored truth").toBe("equal");

  await sql`insert into contracts (hash, body_jsonb) values ('older', '{}')`.execute(db);
  await sql`update rounds set contract_hash = 'older' where id = ${other.id}`.execute(db);
  const older = replay(node, other.id);
  expect([older.status, older.said.contract.same]).toEqual([0, false]);
  expect(older.parts.input).toMatchObject({
    verdict: "not compared",
    note: "the round began under another contract; it says otherwise",
  });

  const third = rounds[2]!;
  await sql`update scores set scorer_hash = 'another' where round_id = ${third.id}`.execute(db);
  await sql`update scores set value = 7 where round_id = ${third.id}`.execute(db);
  expect(replay(node, third.id).parts.scores).toMatchObject({
    verdict: "not compared",
    note: "the scores are of another scorer, another; it says otherwise",
  });
  expect(() => replay(node, "round/none/x/1")).toThrow("exit code 1: There is no round round/none/x/1");
}, 180_000);
