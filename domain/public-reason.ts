const CODED = /^([A-Z][A-Z_]+)(?:: ([A-Z][A-Z_]+)(?![A-Za-z0-9_]))?/;
/** Codes whose text is, or may be, the words of a model's own code: an exception quotes what its author put there. */
const SAID_BY_MODELS: ReadonlySet<string> = new Set([
  "MODEL_FAILED",
  "SETUP_FAILED",
  "BAD_IMPLEMENTATION",
  "INVALID_ARGUMENT",
  "FAILED_PRECONDITION",
  "PREVIOUS_CALL_FAILED",
  "MULTIPLE_FAILED",
  "UNKNOWN",
]);
/** What the runner finds out by itself behind them. */
const FOUND: ReadonlySet<string> = new Set(["TIMEOUT", "DIED", "NOT_READY", "PROTOCOL", "TOO_LARGE", "NOT_FINITE"]);

/**
 * A reason as strangers may read it: the code, without the words of the model. Models are their authors' secret; the operator reads
 * the whole reason, and authors their model's log. The database's function public_reason (migration 013) says the same.
 */
export function publicReason(reason: string): string;
export function publicReason(reason: string | null): string | null;
export function publicReason(reason: string | null): string | null {
  const [, code = "", inner = ""] = CODED.exec(reason ?? "") ?? [];
  if (!SAID_BY_MODELS.has(code)) return reason;
  return FOUND.has(inner) ? `${code}: ${inner}` : code;
}
