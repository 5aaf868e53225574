/** What went wrong with a model, as its author and the platform know it. */
export type ErrorCode = keyof typeof SENTENCES;

/** For the author: what happened, what to do. No word of it comes out of the model or its output. */
const SENTENCES = {
  UNKNOWN: "Something went wrong that has no name yet. Try again; if it stays, tell the operator of this node.",
  BUILD_FAILED: "The submission could not be built. Look at the builder log, correct it and submit it again.",
  RUN_FAILED:
    "The model's process ended by itself too often. Look at the runner log, correct the model and submit it again.",
  STOP_UNEXPECTED: "The model was stopped by a fault of this node, not by one of the model. It is started again.",
  IN_QUARANTINE:
    "This submission failed several times in a row and is not started again as it is. Correct it and submit it again.",
  STOP_BEFORE_CLEANUP: "The model was stopped so that this node could be cleaned up.",
  CLOUD_PROVIDER_RUN_EXCEPTION:
    "The machines that run models failed. The operator knows; nothing is wrong with the model.",
  CLOUD_PROVIDER_BUILD_EXCEPTION:
    "The machines that build models failed. The operator knows; nothing is wrong with the submission.",
  MODEL_RUNNER_CONNECTION_FAILED: "The coordinator could not reach the model. The model is started again.",
  MODEL_RUNNER_BAD_IMPLEMENTATION:
    "The submission has no class that fits: exactly one class must extend the competition's base class, and be importable.",
  MODEL_RUNNER_MULTIPLE_TIMEOUT:
    "The model was too slow several times in a row. Make it faster: its answer counts only within the time limit.",
  MODEL_RUNNER_MULTIPLE_FAILED:
    "The model raised exceptions or gave answers that cannot be used, several times in a row. Look at the runner log.",
  MODEL_LOW_PERFORMANCE: "The model was stopped because its results stayed below the competition's limit.",
} as const;

/** Why a model does not run. `detail` is for the operator: it may quote the model's own words. */
export interface Failure {
  readonly code: ErrorCode;
  readonly detail: string | null;
  /** epoch ms */
  readonly at: number;
}

export const sentenceOf = (code: ErrorCode): string => SENTENCES[code];
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(SENTENCES, code);

const REPORTED: ReadonlyMap<string, ErrorCode> = new Map([
  ["CONNECTION_FAILED", "MODEL_RUNNER_CONNECTION_FAILED"],
  ["BAD_IMPLEMENTATION", "MODEL_RUNNER_BAD_IMPLEMENTATION"],
  ["MULTIPLE_TIMEOUT", "MODEL_RUNNER_MULTIPLE_TIMEOUT"],
  ["MULTIPLE_FAILED", "MODEL_RUNNER_MULTIPLE_FAILED"],
  ["LOW_PERFORMANCE", "MODEL_LOW_PERFORMANCE"],
]);
/** The code of what a client reports. */
export const reportedCode = (failureCode: string): ErrorCode => REPORTED.get(failureCode) ?? "UNKNOWN";

/** Faults that say nothing about the model: nothing is held against it for them. */
const NOT_THE_MODELS: ReadonlySet<ErrorCode> = new Set([
  "UNKNOWN",
  "STOP_UNEXPECTED",
  "STOP_BEFORE_CLEANUP",
  "CLOUD_PROVIDER_RUN_EXCEPTION",
  "CLOUD_PROVIDER_BUILD_EXCEPTION",
  "MODEL_RUNNER_CONNECTION_FAILED",
]);
export const isModelsFault = (code: ErrorCode): boolean => !NOT_THE_MODELS.has(code);
