import { expect, inject, test } from "vitest";
import { provisionalModels } from "../../../db/deployments.ts";
import { recordSchedules, scheduledSince, schedulesSince } from "../../../db/schedules.ts";
import { freshDatabase } from "../api/world.ts";
import { agree, announce, CONTRACT, play, T0 } from "./world.ts";

const scope = (scopeKey: string, phaseMs: number) => ({ scopeKey, scope: { subject: "X" }, everyMs: 1_000, phaseMs });

test("cadences are kept with the stretch in which they held; a changed phase begins at the change, the same again changes nothing", async () => {
  await using fresh = await freshDatabase(inject("postgresUrl"));
  const { db } = fresh;
  await agree(db);
  await play(db, { dueMs: T0, models: {}, until: "COLLECTING" });
  await play(db, { scopeKey: "Z", dueMs: T0 + 1, models: {}, until: "COLLECTING" });
  const at = (ms: number, ...scopes: ReturnType<typeof scope>[]) => recordSchedules(db, CONTRACT, scopes, T0 + ms);
  await at(5_000, scope("X", 0), scope("Y", 0), scope("Z", 0));
  expect(await scheduledSince(db, "X")).toBe(T0); // its rounds lie on this cadence
  expect(await scheduledSince(db, "Y")).toBe(T0 + 5_000);
  expect(await scheduledSince(db, "Z")).toBe(T0 + 5_000); // they lay on another
  await Promise.all([at(6_000, scope("X", 0), scope("Y", 0)), at(6_000, scope("X", 0), scope("Y", 0))]);
  await at(9_000, scope("X", 500), scope("Y", 0));
  const held = (await schedulesSince(db, T0)).map((s) => [
    s.scope_key,
    s.schedule_jsonb.phaseMs,
    s.from_at.getTime() - T0,
    s.until_at && s.until_at.getTime() - T0,
  ]);
  expect(held).toEqual([
    ["X", 0, 0, 9_000],
    ["X", 500, 9_000, null],
    ["Y", 0, 5_000, null],
    ["Z", 0, 5_000, 6_000],
  ]);
  expect((await schedulesSince(db, T0 + 7_000)).map((s) => s.scope_key)).toEqual(["X", "X", "Y"]);
});

test("a newcomer is provisional until its scored rounds are enough; a new deployment begins anew only where it has a standing of its own", async () => {
  await using fresh = await freshDatabase(inject("postgresUrl"));
  const { db } = fresh;
  await agree(db);
  const round = (n: number, models: Record<string, string>, until: "SCORED" | "WAITING" = "SCORED") =>
    play(db, { dueMs: T0 + n * 1_000, models, until });
  const keep = { rounds: 2, perDeployment: false };
  const anew = { rounds: 2, perDeployment: true };
  await announce(db, { a: "a1", b: "b1" });
  await round(0, { a: "a1", b: "b1" });
  expect(await provisionalModels(db, keep)).toEqual(["a", "b"]);
  await round(1, { a: "a1" });
  await round(2, { b: "b1" }, "WAITING"); // not scored: does not count
  expect(await provisionalModels(db, keep)).toEqual(["b"]);
  expect(await provisionalModels(db, { rounds: 0, perDeployment: true })).toEqual([]);
  await announce(db, { a: "a2", b: "b1" });
  expect(await provisionalModels(db, keep)).toEqual(["b"]);
  expect(await provisionalModels(db, anew)).toEqual(["a", "b"]);
  await round(3, { a: "a2" });
  await round(4, { a: "a2" });
  expect(await provisionalModels(db, anew)).toEqual(["b"]);
  const established = await db.selectFrom("deployments").select("id").where("established_at", "is not", null).execute();
  expect(established.map((d) => d.id).sort()).toEqual(["a1", "a2"]);
});
