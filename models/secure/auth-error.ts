/** Why a proof was refused. */
export type AuthReason =
  | "MISSING"
  | "ENCODING"
  | "WALLET"
  | "SIGNATURE"
  | "FORMAT"
  | "CERTIFICATE"
  | "MODEL"
  | "HOTKEY"
  | "EXPIRED"
  | "NO_EXPIRY"
  | "NOT_A_TIME"
  | "KEY"
  | "FUTURE"
  | "TOO_LARGE"
  | "METHOD"
  | "REPLAYED";

/** The other side has not proved that it is who it should be. The text is the public peers' where they have one. */
export class AuthError extends Error {
  override name = "AuthError";
  readonly reason: AuthReason;
  constructor(reason: AuthReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
