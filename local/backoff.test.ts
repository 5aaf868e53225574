import { expect, test } from "vitest";
import { nextDelay } from "./backoff.ts";

test("the delay doubles from half a second to half a minute, and starts anew after a minute of life", () => {
  const delays: number[] = [];
  for (let i = 0, delay = 0; i < 9; i++) {
    delay = nextDelay(delay, 100);
    delays.push(delay);
  }
  expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(nextDelay(30_000, 59_999)).toBe(30_000);
  expect(nextDelay(30_000, 60_000)).toBe(500);
});
