import { expect, test } from "vitest";
import { inLanes } from "./lanes.ts";

test("never more at once than lanes, every item once, answers in order", async () => {
  let [now, most] = [0, 0];
  const answers = await inLanes(3, [5, 1, 4, 2, 3, 0], async (n) => {
    most = Math.max(most, ++now);
    for (let i = 0; i < n; i++) await Promise.resolve();
    now--;
    return n * 10;
  });
  expect(answers).toEqual([50, 10, 40, 20, 30, 0]);
  expect(most).toBe(3);
});
test("no items need no lane, and an error is passed on", async () => {
  expect(await inLanes(4, [], async () => 1)).toEqual([]);
  await expect(inLanes(2, [1, 2], async (n) => Promise.reject(new Error(`item ${n}`)))).rejects.toThrow("item 1");
});
