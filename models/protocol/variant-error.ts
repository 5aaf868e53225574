/** Why a value cannot cross the wire. */
export type VariantErrorCode =
  | "NOT_FINITE"
  | "OUT_OF_RANGE"
  | "TOO_LARGE"
  | "TOO_DEEP"
  | "TOO_MANY_KEYS"
  | "BAD_UTF8"
  | "BAD_TEXT"
  | "BAD_JSON"
  | "BAD_KEY"
  | "BAD_LENGTH"
  | "BAD_TYPE"
  | "BAD_TABLE"
  | "UNKNOWN_TYPE";

/** A value that cannot be encoded or decoded. `where` names the key or argument; the message says it too. */
export class VariantError extends Error {
  override name = "VariantError";
  readonly code: VariantErrorCode;
  readonly where: string;
  constructor(code: VariantErrorCode, message: string, where = "") {
    super(`${code}: ${where === "" ? "" : `${where}: `}${message}`);
    this.code = code;
    this.where = where;
  }
}

/** Path of a key for people: `a.b[3]`. */
export const join = (where: string, key: string | number): string => {
  const shown = typeof key === "string" && key.length > 60 ? `${key.slice(0, 60)}…` : key;
  if (typeof shown === "number") return `${where}[${shown}]`;
  return where === "" ? shown : `${where}.${shown}`;
};

/** The same error, seen from outside of the value at `key`. */
export function within(error: unknown, key: string | number): unknown {
  if (!(error instanceof VariantError)) return error;
  const { code, where, message } = error;
  const inner = where === "" || where.startsWith("[") ? where : `.${where}`;
  const said = message.slice(`${code}: ${where === "" ? "" : `${where}: `}`.length);
  return new VariantError(code, said, `${join("", key)}${inner}`);
}
