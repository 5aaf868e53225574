import { ApplicationFailure } from "@temporalio/common";
import { expect, test } from "vitest";
import { ChainError } from "../chain/port.ts";
import { blockedCause } from "./checkpoint-steps.ts";

const thrownFor = (error: unknown): unknown => {
  try {
    return blockedCause(error);
  } catch (thrown) {
    return thrown;
  }
};

test.each(["NO_FUNDS", "REFUSED", "WRONG_GENESIS", "KEY_MISMATCH"] as const)("%s is a cause for a person", (code) => {
  expect(blockedCause(new ChainError(code, "why"))).toBe(`${code}: why`);
});
test("an endpoint that does not answer is asked again, one that wants to be left alone not before", () => {
  const silent = new ChainError("UNREACHABLE", "no answer");
  expect(thrownFor(silent)).toBe(silent);
  const later = thrownFor(new ChainError("UNREACHABLE", "HTTP 429", undefined, 45_000));
  expect(later).toBeInstanceOf(ApplicationFailure);
  expect(later).toMatchObject({ nextRetryDelay: 45_000, nonRetryable: false, message: "HTTP 429" });
});
test("a mistake of our own is no cause", () => {
  const bug = new TypeError("x is undefined");
  expect(thrownFor(bug)).toBe(bug);
});
