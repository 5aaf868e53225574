import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newestSegment, RecordWindow } from "./window.ts";

const record = (tsEvent: number, eventId = "", segment = "a") => ({ tsEvent, tsFinal: tsEvent + 10, eventId, segment });

test("whatever the order of arrival and the duplicates, the window is the same", () => {
  const times = fc.uniqueArray(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(times, fc.array(fc.nat()), (ts, shuffle) => {
      const records = ts.map((t) => record(t));
      const order = [...records, ...records]
        .map((r, i) => [shuffle[i % (shuffle.length || 1)] ?? i, r] as const)
        .sort((a, b) => a[0] - b[0]);
      const straight = new RecordWindow(50);
      straight.add(records.toSorted((a, b) => a.tsEvent - b.tsEvent));
      const mixed = new RecordWindow(50);
      for (const [, r] of order) mixed.add([r]);
      expect(mixed.asOf(2_000)).toEqual(straight.asOf(2_000));
    }),
  );
});

test("as of an instant: only what was final, the newest of it, never more than the size", () => {
  const window = new RecordWindow(3);
  window.add([0, 10, 20, 30, 40].map((t) => record(t)));
  expect(window.asOf(40).map((r) => r.tsEvent)).toEqual([10, 20, 30]);
  expect(window.asOf(9)).toEqual([]);
});

test("trades of one millisecond are kept apart and in the order of their ids", () => {
  const window = new RecordWindow(10);
  window.add([record(5, "b"), record(5, "a"), record(5, "b")]);
  expect(window.asOf(100).map((r) => r.eventId)).toEqual(["a", "b"]);
});

test("nothing from before the last break of the series", () => {
  expect(newestSegment([record(0), record(1), record(2, "", "b"), record(3, "", "b")]).map((r) => r.tsEvent)).toEqual([
    2, 3,
  ]);
  expect(newestSegment([])).toEqual([]);
});

describe("an input as of an earlier instant", () => {
  const records = Array.from({ length: 10 }, (_, i) => record(10 * i));

  test("memory says whether it reaches that far back", () => {
    const window = new RecordWindow<ReturnType<typeof record>>(3);
    expect(window.reaches(100)).toBe(false); // nothing was loaded: the database may know more
    window.load(records.slice(0, 2), true);
    expect(window.reaches(100)).toBe(true);
    window.add(records);
    expect(window.reaches(100)).toBe(true);
    expect(window.reaches(70)).toBe(true);
    expect(window.reaches(60)).toBe(false); // the six that are held leave two for this instant
  });

  test("a break of the series is an end: nothing before it belongs to the window", () => {
    const window = new RecordWindow<ReturnType<typeof record>>(3);
    window.load([record(0), record(10, "", "b"), record(20, "", "b")], false);
    expect(window.reaches(30)).toBe(true);
    expect(window.reaches(10)).toBe(false);
  });

  test("loaded at a start or added one by one, in any order: the same window", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(records, { minLength: 10 }), fc.nat(110), (mixed, at) => {
        const live = new RecordWindow<ReturnType<typeof record>>(3);
        live.load([], true);
        for (const r of mixed) live.add([r]);
        const restarted = new RecordWindow<ReturnType<typeof record>>(3);
        restarted.load(records.slice(-6), false);
        if (live.reaches(at) && restarted.reaches(at)) expect(live.asOf(at)).toEqual(restarted.asOf(at));
        expect(live.reaches(at)).toBe(restarted.reaches(at));
      }),
    );
  });
});
