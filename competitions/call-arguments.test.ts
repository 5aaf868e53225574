import { expect, test } from "vitest";
import { argumentValue, callArgumentProblems } from "./call-arguments.ts";
import type { CallArgument } from "./competition.ts";

const scopes = [{ scopeKey: "BTC-60", scope: { subject: "BTCUSDT", horizon: 60, share: 0.5 } }];
const problems = (...args: CallArgument[]) => callArgumentProblems({ call: { method: "predict", args } }, scopes);

test("arguments that the scope can fill are accepted", () => {
  expect(
    problems(
      { name: "subject", type: "STRING" },
      { name: "horizon", type: "INT" },
      { name: "share", type: "FLOAT" },
      { name: "horizon", type: "JSON" },
    ),
  ).toEqual([]);
});

test("an unknown type, an unknown name and a value of another type are each named", () => {
  expect(problems({ name: "subject", type: "TEXT" as "STRING" })).toEqual([
    "call.args: subject has the type TEXT; there are STRING, INT, FLOAT, JSON",
  ]);
  expect(problems({ name: "step", type: "INT" })).toEqual([
    "call.args: step is no field of the scope BTC-60, which has subject, horizon, share",
  ]);
  expect(problems({ name: "share", type: "INT" })).toEqual([
    "call.args: share is INT and its value is 0.5 in the scope BTC-60",
  ]);
  expect(problems({ name: "horizon", type: "STRING" })).toEqual([
    "call.args: horizon is STRING and its value is 60 in the scope BTC-60",
  ]);
});

test("models hear the subject by their own name for it", () => {
  expect(argumentValue("subject", scopes[0]!.scope, { BTCUSDT: "BTC" })).toBe("BTC");
  expect(argumentValue("subject", scopes[0]!.scope, { ETHUSDT: "ETH" })).toBe("BTCUSDT");
  expect(argumentValue("other", scopes[0]!.scope)).toBeNull();
});
