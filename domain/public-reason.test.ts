import { expect, test } from "vitest";
import { publicReason } from "./public-reason.ts";

test.each([
  ["MODEL_FAILED: The model raised an exception: my secret alpha", "MODEL_FAILED"],
  ["MODEL_FAILED: DIED: the model's process could not be set up again: secret", "MODEL_FAILED: DIED"],
  ["MODEL_FAILED: NOT_FINITE: secret_key is nan; a number must be finite", "MODEL_FAILED: NOT_FINITE"],
  ["MODEL_FAILED: SECRET: an exception that begins like a code", "MODEL_FAILED"],
  ["PREVIOUS_CALL_FAILED: tick: MODEL_FAILED: secret", "PREVIOUS_CALL_FAILED"],
  ["BAD_IMPLEMENTATION: Several classes inherit from X: secret.A, secret.B", "BAD_IMPLEMENTATION"],
  ["DEADLINE_EXCEEDED: no answer in time", "DEADLINE_EXCEEDED: no answer in time"],
  ["the model was not connected", "the model was not connected"],
  [null, null],
])("%s", (reason, expected) => {
  expect(publicReason(reason)).toBe(expected);
});
