import fc from "fast-check";
import { expect, test } from "vitest";
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
