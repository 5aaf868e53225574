import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutOf, evidenceNeed, keptDay } from "./retention.ts";

const DAY = 86_400_000;
const day = (n: number) => ({ fromMs: n * DAY, untilMs: (n + 1) * DAY });

describe("the cut", () => {
  test("is the time to live where nothing older is needed", () => {
    expect(cutOf(100 * DAY, 90 * DAY, [null, { what: "a window", fromMs: 93 * DAY }])).toEqual({
      ...{ expiredBeforeMs: 10 * DAY, beforeMs: 10 * DAY, heldBy: null },
    });
  });
  test("is the earliest need where that is older, and says whose", () => {
    const [window, round] = [
      { what: "a window", fromMs: 5 * DAY },
      { what: "an open round", fromMs: 3 * DAY },
    ];
    expect(cutOf(100 * DAY, 90 * DAY, [window, round])).toMatchObject({ beforeMs: 3 * DAY, heldBy: round });
  });
  test("a time to live of 0 keeps everything", () => {
    expect(keptDay(day(0), cutOf(1_000 * DAY, 0, []), [])).toBe("kept for ever");
  });
});

describe("a day", () => {
  const cut = cutOf(100 * DAY, 90 * DAY, [{ what: "CKP_1 has no evidence bundle yet", fromMs: 5.5 * DAY }]);
  test.each([
    [4, null],
    [5, "CKP_1 has no evidence bundle yet"],
    [9, "CKP_1 has no evidence bundle yet"],
    [10, "younger than its time to live"],
    [99, "younger than its time to live"],
  ])("%i", (n, why) => expect(keptDay(day(n), cut, [])).toBe(why));

  test("that a span touches stays, its neighbours go", () => {
    const span = { what: "backfill 7", fromMs: 2 * DAY, untilMs: 3 * DAY };
    expect([1, 2, 3].map((n) => keptDay(day(n), cut, [span]))).toEqual([null, "backfill 7", null]);
  });
});

test("whatever is asked, no day goes that holds an instant which is needed or young", () => {
  const instants = fc.integer({ min: 0, max: 400 * DAY });
  fc.assert(
    fc.property(fc.array(instants), fc.integer({ min: 1, max: 200 }), fc.nat(400), (needs, ttl, n) => {
      const nowMs = 400 * DAY;
      const gone =
        keptDay(
          day(n),
          cutOf(
            nowMs,
            ttl * DAY,
            needs.map((fromMs) => ({ what: "x", fromMs })),
          ),
          [],
        ) === null;
      if (!gone) return;
      expect(day(n).untilMs).toBeLessThanOrEqual(nowMs - ttl * DAY);
      for (const fromMs of needs) expect(day(n).untilMs).toBeLessThanOrEqual(fromMs);
    }),
  );
});

test("a period counts as evidence until its bundle is written, whatever became of the others", () => {
  const period = (n: number, bundleWrittenMs: number | null) => ({ id: `CKP_${n}`, startMs: n * DAY, bundleWrittenMs });
  expect(evidenceNeed([period(1, 5), period(2, null), period(3, 6), period(4, null)])).toEqual({
    ...{ what: "CKP_2 has no evidence bundle yet", fromMs: 2 * DAY },
  });
  expect(evidenceNeed([period(1, 5), period(2, 0)])).toBeNull();
  expect(evidenceNeed([])).toBeNull();
});
