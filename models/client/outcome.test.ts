import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { CallResponse } from "../protocol/messages.ts";
import { encodeVariant } from "../protocol/variant.ts";
import { cleanDetail } from "./fleet.ts";
import { outcomeOf, outcomeOfError } from "./outcome.ts";

const value = encodeVariant("JSON", { value: 0.5 });
const answers: [name: string, response: CallResponse, expected: object][] = [
  [
    "newer runner, success",
    { status: { code: "SUCCESS", message: "" }, methodResponse: value },
    { status: "SUCCESS", output: { value: 0.5 }, detail: null },
  ],
  ["newer runner, None", { status: { code: "SUCCESS", message: "" } }, { status: "SUCCESS", output: null }],
  ["older runner, no status", { methodResponse: value }, { status: "SUCCESS", output: { value: 0.5 } }],
  ["older runner, empty message", {}, { status: "SUCCESS", output: null }],
  ["older runner, empty status", { status: { code: "", message: "" }, methodResponse: value }, { status: "SUCCESS" }],
  [
    "failure with a value: thrown away",
    { status: { code: "MODEL_FAILED", message: "boom" }, methodResponse: value },
    { status: "FAILURE", output: null, detail: "MODEL_FAILED: boom", cause: "MODEL" },
  ],
  ["unknown code", { status: { code: "BANANA", message: "" } }, { status: "FAILURE", cause: "MODEL" }],
  [
    "bad implementation",
    { status: { code: "BAD_IMPLEMENTATION", message: "no predict" } },
    { status: "FAILURE", cause: "BAD_IMPLEMENTATION" },
  ],
  ["not set up", { status: { code: "FAILED_PRECONDITION", message: "" } }, { status: "FAILURE", cause: "NOT_SET_UP" }],
  [
    "wrong bytes",
    { methodResponse: { type: 1, value: Buffer.alloc(3) } },
    { status: "FAILURE", detail: "BAD_LENGTH: DOUBLE of 3 bytes, must be 8" },
  ],
  [
    "bare NaN of Python",
    { methodResponse: { type: 6, value: Buffer.from('{"a": 1, "value": NaN}') } },
    { status: "FAILURE", detail: "NOT_FINITE: value: NaN is no JSON number" },
  ],
];
test.each(answers)("answer: %s", async (_name, response, expected) => {
  expect(await outcomeOf(response)).toMatchObject(expected);
});

const error = (code: status, details: string) =>
  Object.assign(new Error(details), { code, details, metadata: new Metadata() }) as ServiceError;
const errors: [name: string, error: ServiceError, expected: object][] = [
  ["deadline", error(status.DEADLINE_EXCEEDED, "Deadline exceeded"), { status: "TIMEOUT", cause: "DEADLINE" }],
  [
    "busy with an earlier call",
    error(status.RESOURCE_EXHAUSTED, "Server busy"),
    { status: "TIMEOUT", detail: "RESOURCE_EXHAUSTED: Server busy" },
  ],
  [
    "larger than we take",
    error(status.RESOURCE_EXHAUSTED, "Received message larger than max (5000000 vs 4194304)"),
    { status: "FAILURE", detail: expect.stringMatching(/^TOO_LARGE/) },
  ],
  ["gone", error(status.UNAVAILABLE, "connect ECONNREFUSED"), { status: "FAILURE", cause: "TRANSPORT" }],
  [
    "older runner without Setup",
    error(status.FAILED_PRECONDITION, "Setup has not been called yet"),
    { cause: "NOT_SET_UP" },
  ],
  ["older runner, our mistake", error(status.INVALID_ARGUMENT, "methodName cannot be empty"), { cause: "USAGE" }],
];
test.each(errors)("gRPC error: %s", (_name, given, expected) => {
  expect(outcomeOfError(given)).toMatchObject(expected);
});

describe("details", () => {
  test("are short and hold nothing that could forge a log line", () => {
    expect(cleanDetail("a\nb\x1b[2J\u2028\0")).toBe("a\\u000ab\\u001b[2J\\u2028\\u0000");
    expect(cleanDetail("\n".repeat(10_000))).toHaveLength(500);
    expect(cleanDetail(`${"x".repeat(499)}😀`).isWellFormed()).toBe(true);
  });
});
