import type { z } from "zod";
import type { Competition } from "../competitions/competition.ts";
import type { CallResult } from "../models/client/fleet.ts";

/** What one model's answer amounts to: the row's status and the column it is counted in. */
export interface Judged {
  status: "PENDING" | "FAILED" | "TIMEOUT" | "ABSENT";
  outcome: "answered" | "failed" | "timed_out" | "absent";
  reason: string | null;
  deploymentId: string;
  execTimeUs: number;
  output: Record<string, unknown> | null;
}

const REASON_LIMIT = 500;

/** An answer counts only when the competition's output schema takes it; what it refuses is named field by field. */
export function judge(competition: Competition, result: CallResult): Judged {
  const base = {
    deploymentId: result.deploymentId,
    execTimeUs: result.execTimeUs,
    output: null,
    reason: result.detail,
  };
  if (result.status === "TIMEOUT")
    return {
      ...base,
      status: "TIMEOUT",
      outcome: "timed_out",
      reason: result.detail ?? "no answer before the deadline",
    };
  if (result.status === "SKIPPED")
    return { ...base, status: "ABSENT", outcome: "absent", reason: result.detail ?? "not called" };
  if (result.status === "FAILURE")
    return { ...base, status: "FAILED", outcome: "failed", reason: result.detail ?? "the model failed" };
  const parsed = competition.output.safeParse(result.output);
  if (!parsed.success)
    return { ...base, status: "FAILED", outcome: "failed", reason: `output refused: ${messages(parsed.error)}` };
  const unstorable = whyUnstorable(parsed.data);
  if (unstorable) return { ...base, status: "FAILED", outcome: "failed", reason: `output refused: ${unstorable}` };
  return {
    ...base,
    status: "PENDING",
    outcome: "answered",
    reason: null,
    output: parsed.data as Record<string, unknown>,
  };
}

const messages = (error: z.ZodError): string =>
  error.issues
    .map((i) => `${i.path.length > 0 ? i.path.join(".") : "output"}: ${i.message}`)
    .join("; ")
    .slice(0, REASON_LIMIT);

/** A contract may take more than a database can hold: one such answer must not cost the round. */
function whyUnstorable(output: unknown): string | null {
  try {
    return JSON.stringify(output).includes("\\u0000") ? "text holds a NUL" : null;
  } catch (error) {
    return String(error);
  }
}
