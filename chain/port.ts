/** An account whose address follows from (base, seed): the chain refuses to make it twice. */
export interface Marker {
  address: string;
  seed: string;
}

export interface Transfer {
  to: string;
  /** integer as text: plans are JSON */
  lamports: string;
}

/** What takes effect between the markers; a protocol instruction joins here. */
export type Payload = { kind: "memo"; text: string } | { kind: "transfers"; transfers: Transfer[] };

/** The emission of one checkpoint; hashes are hex. */
export interface EmissionPlan {
  crunch: string;
  checkpoint: string;
  root: string;
  emissionHash: string;
}

export interface PayoutPlan {
  crunch: string;
  checkpoint: string;
  transfers: readonly Transfer[];
}

/** One effect, fixed for ever: retries use it as it is and never derive any of it again. */
export interface FrozenPlan {
  /** 0: the emission itself; 1 and up: payout batches */
  part: number;
  genesis: string;
  /** address that signs, pays and is the base of the markers; a rotated key would derive others */
  base: string;
  key: Marker;
  /** tells our content from somebody else's under the same key; payout batches have none */
  content?: Marker;
  payload: Payload;
  /** sha256 of the canonical bytes of all above, hex */
  hash: string;
}

export interface Attempt {
  n: number;
  lifetime: { blockhash: string; lastValidBlockHeight: string };
  /** signed bytes, base64; stored before they are sent, and sent again unchanged */
  wire: string;
  /** the transaction's signature, known before sending */
  id: string;
}

export type Verdict =
  | { kind: "final"; slot: string; signature: string | null }
  | { kind: "conflict"; slot: string }
  | { kind: "seen"; signature: string }
  /** unknown to the cluster, but these bytes may still land: send them again */
  | { kind: "live" }
  /** these bytes can never land any more */
  | { kind: "dead"; reason: string }
  | { kind: "absent" };

/** One per chain; workflow and activities know nothing else of it. Every method may throw ChainError. */
export interface ChainPort {
  /** names the cluster */
  genesis(): Promise<string>;
  /** addresses, hashes, fixed inputs */
  freeze(plan: EmissionPlan): Promise<FrozenPlan>;
  /** batches that fit one transaction each, numbered from 1; none for no transfers */
  freezePayouts(plan: PayoutPlan): Promise<FrozenPlan[]>;
  /** reads only; decides by the markers at `finalized`, never by history */
  observe(plan: FrozenPlan, last?: Attempt): Promise<Verdict>;
  /** simulates, then signs; sends nothing */
  sign(plan: FrozenPlan, n: number): Promise<Attempt>;
  /** errors are information, not outcomes: only observe knows */
  broadcast(attempt: Attempt): Promise<void>;
}

export type ChainErrorCode =
  /** no answer, or one that cannot be believed: try again */
  | "UNREACHABLE"
  /** simulation met a marker that is not final yet: look again */
  | "MARKER_TAKEN"
  | "NO_FUNDS"
  | "REFUSED"
  | "WRONG_GENESIS"
  | "KEY_MISMATCH";

export class ChainError extends Error {
  override name = "ChainError";
  readonly code: ChainErrorCode;
  constructor(code: ChainErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
