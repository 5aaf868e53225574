import { expect, test } from "vitest";
import { createTickHistory, NOTHING_SEEN, type TickHistory } from "./tick-history.ts";

const add = (history: TickHistory, key: string) =>
  history.add({
    key,
    request: { methodName: "tick", methodArguments: [], methodKwArguments: [] },
    bytes: () => Buffer.from(key),
  });
const keys = (history: TickHistory, since: number) => history.since(since).map(({ key }) => key);

test("what came after a number, oldest first", () => {
  const history = createTickHistory();
  const numbers = ["a", "b", "c"].map((key) => add(history, key));
  expect(keys(history, NOTHING_SEEN)).toEqual(["a", "b", "c"]);
  expect(keys(history, numbers[0]!)).toEqual(["b", "c"]);
  expect(keys(history, numbers[2]!)).toEqual([]);
});

test("a key that is kept already is the same tick: rounds of one due time share it", () => {
  const history = createTickHistory();
  expect([add(history, "a"), add(history, "b"), add(history, "a")]).toEqual([0, 1, 0]);
  expect(keys(history, NOTHING_SEEN)).toEqual(["a", "b"]);
});

test("of a long absence only the newest are kept, however many came", () => {
  const history = createTickHistory(3);
  for (let i = 0; i < 10_000; i++) add(history, `${i}`);
  expect(keys(history, NOTHING_SEEN)).toEqual(["9997", "9998", "9999"]);
  expect(keys(history, 9_998)).toEqual(["9999"]);
});
