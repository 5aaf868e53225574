import type { z } from "zod";
import type { Competition, Scope } from "../competitions/competition.ts";
import { type CallResult, cleanDetail } from "../models/client/fleet.ts";

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

/** An answer counts only when the competition's output schema and its own check take it; what the schema refuses is named field by field. */
export function judge(competition: Competition, scope: Scope, result: CallResult): Judged {
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
  const checked = check(competition, scope, result.output);
  if ("refused" in checked)
    return { ...base, status: "FAILED", outcome: "failed", reason: `output refused: ${checked.refused}` };
  return { ...base, status: "PENDING", outcome: "answered", reason: null, output: checked.output };
}

function check(
  competition: Competition,
  scope: Scope,
  answer: unknown,
): { output: Record<string, unknown> } | { refused: string } {
  const parsed = competition.output.safeParse(answer);
  if (!parsed.success) return { refused: messages(parsed.error) };
  try {
    const output = competition.validateOutput?.(parsed.data, scope) ?? parsed.data;
    const unstorable = whyUnstorable(output);
    return unstorable ? { refused: unstorable } : { output: output as Record<string, unknown> };
  } catch (error) {
    return { refused: cleanDetail(error instanceof Error ? error.message : String(error)) };
  }
}

const messages = (error: z.ZodError): string =>
  error.issues
    .map((i) => `${i.path.length > 0 ? i.path.join(".") : "output"}: ${i.message}`)
    .join("; ")
    .slice(0, REASON_LIMIT);

/** The verdict on an answer that a second look took, or refused. */
export function afterCheck(verdict: Judged, found: { output: unknown } | { refused: string }): Judged {
  const refused = "refused" in found ? cleanDetail(found.refused) : whyUnstorable(found.output);
  if (refused !== null)
    return { ...verdict, status: "FAILED", outcome: "failed", output: null, reason: `output refused: ${refused}` };
  return { ...verdict, output: (found as { output: Record<string, unknown> }).output };
}

/** A contract may take more than a database can hold: one such answer must not cost the round. */
function whyUnstorable(output: unknown): string | null {
  try {
    return JSON.stringify(output).includes("\\u0000") ? "text holds a NUL" : null;
  } catch (error) {
    return String(error);
  }
}
