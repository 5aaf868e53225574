import { expect, test } from "vitest";
import { CODE } from "../protocol/answer-code.ts";
import type { Answer } from "./frames.ts";
import { createRoundMemory } from "./round-memory.ts";

const answer = (bytes: number, code: number = CODE.OK): Answer => ({
  code,
  runUs: 1,
  type: 6,
  value: Buffer.alloc(bytes),
});
const nobody = () => expect.unreachable();

test("a round that a model could not answer is asked again; what it had said then weighs no more", () => {
  const memory = createRoundMemory();
  // Eight rounds of 4 MiB that end in NOT_READY: had they stayed in the sum, nothing small could be kept behind them.
  for (let i = 0; i < 8; i++) {
    const sink = memory.join(`failed/${i}`, "m", 2, () => undefined);
    sink?.(0, answer(4 << 20));
    sink?.(1, answer(0, CODE.NOT_READY));
    expect(
      memory.join(`failed/${i}`, "m", 2, () => undefined),
      "asked again",
    ).toBeTypeOf("function");
  }
  for (let i = 0; i < 8; i++) memory.join(`good/${i}`, "m", 1, () => undefined)?.(0, answer(10));
  for (let i = 0; i < 8; i++) {
    const repeated: number[] = [];
    expect(memory.join(`good/${i}`, "m", 1, (_call, { value }) => repeated.push(value.length))).toBeUndefined();
    expect(repeated).toEqual([10]);
  }
});

test("the oldest rounds go when the answers weigh too much", () => {
  const memory = createRoundMemory();
  for (let i = 0; i < 6; i++) memory.join(`r/${i}`, "m", 1, () => undefined)?.(0, answer(4 << 20));
  expect(memory.join("r/5", "m", 1, () => undefined)).toBeUndefined();
  expect(memory.join("r/0", "m", 1, nobody)).toBeTypeOf("function");
});

test("without a round id nothing is remembered", () => {
  const memory = createRoundMemory();
  expect(memory.join("", "m", 1, nobody)).toBe(nobody);
  expect(memory.join("", "m", 1, nobody)).toBe(nobody);
});
