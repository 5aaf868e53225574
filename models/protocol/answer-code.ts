import type { WireStatus } from "./messages.ts";

/** What became of one call: 0-4 and 9-12 are said by a model's host, the others are the runner's own findings (protos/fleet.proto). */
export const CODE = {
  OK: 0,
  FAILED: 1,
  TOO_LARGE: 2,
  NOT_FINITE: 3,
  NO_METHOD: 4,
  TIMEOUT: 5,
  DIED: 6,
  NOT_READY: 7,
  PROTOCOL: 8,
  NOT_SET_UP: 9,
  BAD_IMPLEMENTATION: 10,
  SETUP_FAILED: 11,
  INVALID_ARGUMENT: 12,
  BUSY: 13,
  NO_MODEL: 14,
  SKIPPED: 15,
  ALREADY_DELIVERED: 16,
} as const;

const MAX_MESSAGE = 2000;
// What the public runner would call each finding.
const STATUS = new Map<number, { code: string; text: string }>([
  [CODE.OK, { code: "SUCCESS", text: "" }],
  [CODE.FAILED, { code: "MODEL_FAILED", text: "" }],
  [CODE.TOO_LARGE, { code: "MODEL_FAILED", text: "TOO_LARGE: " }],
  [CODE.NOT_FINITE, { code: "MODEL_FAILED", text: "NOT_FINITE: " }],
  [CODE.NO_METHOD, { code: "BAD_IMPLEMENTATION", text: "" }],
  [CODE.TIMEOUT, { code: "MODEL_FAILED", text: "TIMEOUT: " }],
  [CODE.DIED, { code: "MODEL_FAILED", text: "DIED: " }],
  [CODE.NOT_READY, { code: "MODEL_FAILED", text: "NOT_READY: " }],
  [CODE.PROTOCOL, { code: "MODEL_FAILED", text: "PROTOCOL: " }],
  [CODE.NOT_SET_UP, { code: "FAILED_PRECONDITION", text: "" }],
  [CODE.BAD_IMPLEMENTATION, { code: "BAD_IMPLEMENTATION", text: "" }],
  [CODE.SETUP_FAILED, { code: "SETUP_FAILED", text: "" }],
  [CODE.INVALID_ARGUMENT, { code: "INVALID_ARGUMENT", text: "" }],
]);

/** The public status of a code; `detail` is the text that came with it. */
export function statusOf(code: number, detail: string): WireStatus {
  const known = STATUS.get(code) ?? { code: "UNKNOWN", text: "" };
  return { code: known.code, message: known.text + detail.slice(0, MAX_MESSAGE) };
}
