import { setImmediate as soon } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Gathering, gathered } from "./gathered.ts";

const doubling = (most: number, more: Partial<Gathering<number>> = {}) => {
  const asked: number[][] = [];
  const double = gathered<number, number>({ most, ...more }, async (batch) => {
    asked.push([...batch]);
    await soon();
    if (batch.includes(13)) throw new Error(`thirteen among ${batch.length}`);
    return batch.map((n) => 2 * n);
  });
  return { asked, double };
};

test("those that come in one breath, or while the lanes are busy, are asked together, and everybody gets the own answer", async () => {
  const { asked, double } = doubling(10);
  const first = [1, 2].map(double);
  await soon();
  const later = [3, 4, 5].map(double);
  expect(await Promise.all([...first, ...later])).toEqual([2, 4, 6, 8, 10]);
  expect(await double(6)).toBe(12);
  expect(asked).toEqual([[1, 2], [3, 4, 5], [6]]);
});

test("a batch holds no more than it may, and a question that is too heavy alone stands alone", async () => {
  const { asked, double } = doubling(5, { weight: (n) => n });
  await Promise.all([1, 2, 3, 4, 9, 1].map(double));
  expect(asked).toEqual([[1, 2], [3], [4], [9], [1]]);
});

test("what one of them breaks is that one's error alone", async () => {
  const { double } = doubling(10, { isOfOne: (error) => /thirteen/.test(String(error)) });
  const answers = await Promise.allSettled([1, 2, 13, 4].map(double));
  expect(answers.map((a) => (a.status === "fulfilled" ? a.value : String(a.reason)))).toEqual([
    2,
    4,
    "Error: thirteen among 1",
    8,
  ]);
  expect(await double(6), "and it goes on").toBe(12);
});

test("what nobody is to blame for is everybody's error, at once", async () => {
  const { asked, double } = doubling(10);
  const answers = await Promise.allSettled([1, 13, 4].map(double));
  expect(answers.map((a) => a.status === "rejected" && String(a.reason))).toEqual(
    Array(3).fill("Error: thirteen among 3"),
  );
  expect(asked).toHaveLength(1);
});

test("too few answers are an error, and nobody waits for ever", async () => {
  const mute = gathered<number, number>({ most: 10 }, async () => []);
  await expect(mute(1)).rejects.toThrow("0 answers to 1 questions");
});
