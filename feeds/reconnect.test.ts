import { expect, test } from "vitest";
import { type FeedEvent, FeedSettingError } from "./feed.ts";
import { keepConnected, RetryLater } from "./reconnect.ts";
import { reporter } from "./report.ts";

function scene() {
  const events: FeedEvent[] = [];
  const stop = new AbortController();
  const report = reporter("x", (event) => events.push(event));
  return { events, stop, options: { signal: stop.signal, report, retryMs: 2, random: () => 1 } };
}

test("comes again for ever, with delays that double", async () => {
  const { events, stop, options } = scene();
  let times = 0;
  await keepConnected(options, async () => {
    if (++times === 6) stop.abort();
    throw new Error("no route");
  });
  expect(times).toBe(6);
  expect(events.map(({ ms }) => ms)).toEqual([4, 8, 16, 32, 64]);
  expect(events[0]).toMatchObject({ kind: "reconnect", detail: "no route" });
});

test("jitter takes up to half; a connection that lived starts the delays anew", async () => {
  const { events, stop, options } = scene();
  let times = 0;
  let nowMs = 0;
  await keepConnected({ ...options, random: () => 0, now: () => nowMs }, async () => {
    if (++times === 3) nowMs += 1_000;
    if (times === 4) stop.abort();
  });
  expect(events.map(({ ms }) => ms)).toEqual([2, 4, 1]);
});

test("waits as long as it is told to, and stops waiting with the signal", async () => {
  const { events, stop, options } = scene();
  const began = performance.now();
  setTimeout(() => stop.abort(), 30);
  await keepConnected(options, () => Promise.reject(new RetryLater("HTTP 429", 60_000)));
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(events).toMatchObject([{ kind: "rate-limited", ms: 60_000 }]);
});

test("settings that cannot work end it", async () => {
  const { options } = scene();
  const refused = keepConnected(options, () => Promise.reject(new FeedSettingError("FEED_SUBJECTS=X")));
  await expect(refused).rejects.toBeInstanceOf(FeedSettingError);
});
