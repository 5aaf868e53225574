import type { DecisionStatement } from "../domain/decision.ts";
import { canonicalText } from "./canonical.ts";

/** The text that an approver signs: RFC 8785, so that every language writes the same bytes. */
export const decisionText = (statement: DecisionStatement): string => canonicalText(statement);
/** Its UTF-8 bytes: what the Ed25519 signature (RFC 8032) is over. */
export const decisionBytes = (statement: DecisionStatement): Uint8Array =>
  new TextEncoder().encode(decisionText(statement));
