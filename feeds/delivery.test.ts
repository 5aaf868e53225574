import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Arrival, delivery, type GapHistory } from "./delivery.ts";
import type { FeedEvent, FeedRecord } from "./feed.ts";
import { reporter } from "./report.ts";

const record = (i: number, price = i): FeedRecord => {
  const labels = { source: "s", subject: "X", kind: "trade", granularity: "1ms" };
  return { ...labels, tsEvent: i * 10, eventId: String(i), values: { price }, meta: {} };
};
const arrival = (i: number, price = i): Arrival => ({ record: record(i, price), sequence: i, previous: i - 1 });
const between: GapHistory = async ({ after, before }) => {
  const ids = Array.from({ length: before.sequence - after.sequence - 1 }, (_, n) => after.sequence + 1 + n);
  return { records: ids.map((i) => record(i)), complete: true };
};

function scene(history?: GapHistory, gapMs = 1_000) {
  const got: number[] = [];
  const events: FeedEvent[] = [];
  const stop = new AbortController();
  const target = delivery({
    sink: async (records) => {
      await delay(1);
      got.push(...records.map(({ eventId }) => Number(eventId)));
    },
    report: reporter("s", (event) => events.push(event)),
    ...(history ? { history } : {}),
    ...{ gapMs, retryMs: 2, signal: stop.signal },
  });
  return { got, events, stop, target, of: (kind: string) => events.filter((event) => event.kind === kind) };
}

test("records in order are delivered as they come, and nothing is told", async () => {
  const { got, events, target } = scene(between);
  await target.take([1, 2, 3].map((i) => arrival(i)));
  await target.take([arrival(4)]);
  expect(got).toEqual([1, 2, 3, 4]);
  expect(events).toEqual([]);
});

test("a gap is filled before what follows, in the middle of a batch, too", async () => {
  const { got, target, of } = scene(between);
  await target.take([1, 2, 6, 7].map((i) => arrival(i)));
  expect(got).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(of("gap")).toMatchObject([{ subject: "X", ms: 40 }]);
  expect(of("gap")[0]).not.toHaveProperty("sinceMs");
});

test("doubles are left out and counted; other values under the same key are a correction, and the first stays", async () => {
  const { got, target, of } = scene(between);
  await target.take([1, 2, 2, 1, 3].map((i) => arrival(i)));
  await target.take([arrival(2, 99)]);
  expect(got).toEqual([1, 2, 3]);
  expect(of("duplicate")).toMatchObject([{ count: 2 }]);
  expect(of("correction")).toMatchObject([{ record: { eventId: "2", values: { price: 99 } } }]);
});

test("a record out of order that nobody has seen is delivered, and told to be late", async () => {
  const { got, target, of } = scene(async () => ({ records: [], complete: true }));
  await target.take([1, 3, 2, 4].map((i) => arrival(i)));
  expect(got).toEqual([1, 3, 2, 4]);
  expect(of("late")).toMatchObject([{ subject: "X", ms: 10 }]);
});

describe("history", () => {
  test("that fails is asked again for ever; what follows waits so long only, and the gap is told to be open", async () => {
    let asked = 0;
    const late: GapHistory = async (gap, signal) => {
      if (++asked < 5) throw new Error("away");
      return between(gap, signal);
    };
    const { got, target, of } = scene(late, 5);
    await target.take([arrival(1), arrival(4)]);
    expect(got).toEqual([1, 4]);
    expect(of("gap").filter(({ sinceMs }) => sinceMs === 10)).toMatchObject([{ ms: 30 }]);
    await target.take([arrival(5)]);
    await target.finish();
    expect(got.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    expect(asked).toBe(5);
  });

  test("that holds what the stream brought as well doubles nothing", async () => {
    const all: GapHistory = async () => ({ records: [1, 2, 2, 3, 4, 5].map((i) => record(i)), complete: true });
    const { got, target } = scene(all);
    await target.take([arrival(1), arrival(4), arrival(5)]);
    expect(got).toEqual([1, 2, 3, 5, 4]); // 5 was in the history, which came first
  });

  test("that comes in parts, slowly, doubles nothing however much the stream has brought meanwhile", async () => {
    let parts = 0;
    let go = (): void => undefined;
    const slow: GapHistory = async (gap, signal) => {
      if (parts++ === 0) return { records: [record(2)], complete: false };
      await new Promise<void>((resolve) => (go = resolve));
      return between(gap, signal);
    };
    const { got, target } = scene(slow, 1);
    await target.take([arrival(1), arrival(4)]);
    for (let i = 5; i < 10_000; i += 1_000) await target.take(Array.from({ length: 1_000 }, (_, n) => arrival(i + n)));
    while (parts < 2) await delay(1);
    go();
    await target.finish();
    expect(got.filter((i) => i < 5).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    expect(new Set(got).size).toBe(got.length);
  });

  test("that stays incomplete is given up, and that is told", async () => {
    const { got, target, of } = scene(async () => ({ records: [record(2)], complete: false }));
    await target.take([arrival(1), arrival(4)]);
    await target.finish();
    expect(got.toSorted((a, b) => a - b)).toEqual([1, 2, 4]);
    expect(of("gap").at(-1)!.detail).toContain("the source's history has no more of it");
  });

  test("is asked after a doubt although nothing seems to be missing", async () => {
    let asked = 0;
    const { target } = scene(async (gap, signal) => {
      asked++;
      return between(gap, signal);
    });
    await target.take([arrival(1)]);
    target.doubt();
    await target.take([arrival(2), arrival(3)]);
    expect(asked).toBe(1);
  });

  test("that does not exist leaves the gap open, and that is told", async () => {
    const { got, target, of } = scene();
    await target.take([arrival(1), arrival(4)]);
    expect(got).toEqual([1, 4]);
    expect(of("gap")).toMatchObject([{ sinceMs: 10, detail: expect.stringContaining("no history of this kind") }]);
  });
});

test("what a sink refused of a history is brought again", async () => {
  const got: string[] = [];
  let refusals = 0;
  const target = delivery({
    sink: async (records) => {
      if (records[0]!.eventId === "2" && refusals++ < 2) throw new Error("no database");
      got.push(...records.map(({ eventId }) => eventId));
    },
    ...{ report: () => undefined, history: between, gapMs: 1_000, retryMs: 1, signal: new AbortController().signal },
  });
  await target.take([arrival(1), arrival(4)]);
  expect(got).toEqual(["1", "2", "3", "4"]);
});

test("a stop ends what is under way", async () => {
  const { stop, target } = scene(() => Promise.reject(new Error("away")), 5);
  await target.take([arrival(1), arrival(4)]);
  stop.abort();
  await target.finish();
});
