import { expect, test } from "vitest";
import { sourceClock } from "./clock.ts";
import type { FeedEvent } from "./feed.ts";
import { reporter } from "./report.ts";

test("a clock that is seconds off is measured to half a round trip, and told once", () => {
  const events: FeedEvent[] = [];
  const clock = sourceClock(
    reporter("x", (event) => events.push(event)),
    () => 1_000_000,
  );
  clock.observe(1_000_000 + 5_000, 999_950, 1_000_050, 1);
  expect(clock.skewMs).toBeGreaterThanOrEqual(4_950);
  expect(clock.skewMs).toBeLessThanOrEqual(5_050);
  clock.observe(1_000_000 + 5_010, 999_950, 1_000_050, 1);
  expect(clock.now()).toBe(1_000_000 + clock.skewMs);
  expect(events).toMatchObject([{ kind: "skew", source: "x", detail: "the source's clock is 5001 ms ahead of ours" }]);
});

test("what lies within the error of the measurement is no skew: whole seconds of a Date header, a slow answer", () => {
  const events: FeedEvent[] = [];
  const clock = sourceClock(reporter("x", (event) => events.push(event)));
  clock.observe(10_000, 10_900, 10_950, 1_000);
  clock.observe(10_000, 10_000, 13_000, 1);
  expect(clock.skewMs).toBe(0);
  expect(events).toEqual([]);
});

test("a clock that comes right again is told, too", () => {
  const events: FeedEvent[] = [];
  const clock = sourceClock(reporter("x", (event) => events.push(event)));
  clock.observe(100_000, 90_000, 90_010, 1);
  clock.observe(90_000, 90_000, 90_010, 1);
  expect(clock.skewMs).toBe(0);
  expect(events.map(({ ms }) => ms)).toEqual([9_996, 0]);
});
