import { expect, it } from "vitest";
import { shareFor } from "./share.ts";

it("loads once for callers at the same time and within the time, again after it", async () => {
  let [clock, loads] = [0, 0];
  const answer = shareFor(
    100,
    async () => ++loads,
    () => clock,
  );
  expect(await Promise.all([answer(), answer()])).toEqual([1, 1]);
  clock = 99;
  expect(await answer()).toBe(1);
  clock = 100;
  expect(await answer()).toBe(2);
});

it("does not keep a failure", async () => {
  let loads = 0;
  const answer = shareFor(1_000, async () => {
    loads += 1;
    if (loads === 1) throw new Error("away");
    return loads;
  });
  await expect(answer()).rejects.toThrow("away");
  expect(await answer()).toBe(2);
});
