import { expect, test } from "vitest";
import {
  BACKFILL_NEXT,
  type BackfillStatus,
  isAtRest,
  isEnded,
  nextCursor,
  progressPct,
  refusedCommand,
} from "./backfill.ts";

const ALL = Object.keys(BACKFILL_NEXT) as BackfillStatus[];

test("what ended stays as it is; only what failed may go on", () => {
  expect(ALL.filter((s) => BACKFILL_NEXT[s].length === 0)).toEqual(["completed", "cancelled"]);
  expect(ALL.filter((s) => isEnded(s))).toEqual(["failed", "completed", "cancelled"]);
  expect(ALL.filter((s) => isAtRest(s) && !isEnded(s))).toEqual(["paused"]);
});

test("commands: each where it makes sense, and the same one twice is no mistake", () => {
  const open = (command: "pause" | "resume" | "cancel") => ALL.filter((s) => refusedCommand(command, s) === null);
  expect(open("pause")).toEqual(["pending", "running", "paused"]);
  expect(open("resume")).toEqual(["pending", "running", "paused", "failed"]);
  expect(open("cancel")).toEqual(["pending", "running", "paused", "failed", "cancelled"]);
  expect(refusedCommand("resume", "completed")).toBe("a job that is completed cannot be resumed");
});

test("progress is a share of time, and 100 only when all is passed", () => {
  const job = { startMs: 1_000, endMs: 2_000 };
  expect(progressPct({ ...job, cursorMs: null })).toBe(0);
  expect(progressPct({ ...job, cursorMs: 1_500 })).toBe(50);
  expect(progressPct({ ...job, cursorMs: 1_999.9 })).toBe(99.9);
  expect(progressPct({ ...job, cursorMs: 2_000 })).toBe(100);
  expect(progressPct({ ...job, cursorMs: 9_000 })).toBe(100);
});

test("trades that share a millisecond may stand on both sides of a page", () => {
  expect(nextCursor({ cursorMs: 5, lastMs: 9, sharesInstants: false })).toBe(10);
  expect(nextCursor({ cursorMs: 5, lastMs: 9, sharesInstants: true })).toBe(9);
  expect(nextCursor({ cursorMs: 9, lastMs: 9, sharesInstants: true })).toBeNull();
});
