/** An account whose address follows from (base, seed): the chain refuses to make it twice. */
export interface Marker {
  address: string;
  seed: string;
}

export interface Transfer {
  /** a wallet */
  to: string;
  /** lamports, or the token's smallest units; integer as text: plans are JSON */
  amount: string;
}

/** To the token account of the wallet, which is made where it is missing. */
export interface TokenTransfer extends Transfer {
  account: string;
}

/** An SPL token; its decimals are read from the chain once, and every transfer says them again. */
export interface Token {
  mint: string;
  decimals: number;
  /** the payer's token account */
  source: string;
}

/** What takes effect between the markers; a protocol instruction joins here. */
export type Payload =
  | { kind: "memo"; text: string }
  | { kind: "transfers"; transfers: Transfer[] }
  | { kind: "tokenTransfers"; token: Token; transfers: TokenTransfer[] }
  /** a protocol program pays each recipient who asks: nothing is sent, and it is final when all have been paid */
  | { kind: "claims"; account: string; claims: Transfer[] };

/** The emission of one checkpoint; hashes are hex. */
export interface EmissionPlan {
  crunch: string;
  checkpoint: string;
  root: string;
  emissionHash: string;
  /** the log of checkpoints with this one as its last: how many, and the root over them */
  logSize: number;
  logRoot: string;
}

export interface PayoutPlan {
  crunch: string;
  checkpoint: string;
  /** of the token that is paid; null: SOL */
  mint: string | null;
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

/** Until when signed bytes may land: for about a minute, or until the value of a nonce account is used up. */
export type Lifetime = { blockhash: string; lastValidBlockHeight: string } | { nonce: string; nonceAccount: string };

export interface Attempt {
  n: number;
  lifetime: Lifetime;
  /** signed bytes, base64; stored before they are sent, and sent again unchanged */
  wire: string;
  /** the transaction's signature, known before sending */
  id: string;
}

/** What is known of a plan as of `slot`, the finalized slot that was read. */
export type Verdict = { slot: string } & (
  | { kind: "final"; signature: string | null }
  | { kind: "conflict" }
  | { kind: "seen"; signature: string }
  /** unknown to the cluster, but these bytes may still land: send them again */
  | { kind: "live" }
  /** these bytes can never land any more */
  | { kind: "dead"; reason: string }
  | { kind: "absent" }
  /** of a plan whose payload is claims: so many have been paid */
  | { kind: "claims"; claimed: number; of: number }
);

/** What a named transaction proves of a plan; `why` is a sentence. */
export type Evidence = { ours: true } | { ours: false; why: string };

/** One per chain; workflow and activities know nothing else of it. Every method may throw ChainError. */
export interface ChainPort {
  /** names the cluster */
  genesis(): Promise<string>;
  /** addresses, hashes, fixed inputs */
  freeze(plan: EmissionPlan): Promise<FrozenPlan>;
  /** batches that fit one transaction each, numbered from 1; none for no transfers */
  freezePayouts(plan: PayoutPlan): Promise<FrozenPlan[]>;
  /** what the payer lacks to carry out all of these plans, in words; null: nothing */
  shortfall(plans: readonly FrozenPlan[]): Promise<string | null>;
  /** reads only: is this transaction, which somebody names, the plan's own, finalized and without error? */
  inspect(plan: FrozenPlan, signature: string): Promise<Evidence>;
  /** reads only; decides by the markers at `finalized`, never by history. `since`: greatest slot seen before, nothing older is believed */
  observe(plan: FrozenPlan, last?: Attempt, since?: string): Promise<Verdict>;
  /** simulates, then signs; sends nothing. `mayUse` is asked before a nonce is used: false is NONCE_BUSY */
  sign(plan: FrozenPlan, n: number, mayUse?: (nonce: string) => Promise<boolean>): Promise<Attempt>;
  /** errors are information, not outcomes: only observe knows */
  broadcast(attempt: Attempt): Promise<void>;
}

export type ChainErrorCode =
  /** no answer, or one that cannot be believed: try again */
  | "UNREACHABLE"
  /** two endpoints say different things: wait, never act */
  | "DISAGREEMENT"
  /** simulation met a marker that is not final yet: look again */
  | "MARKER_TAKEN"
  /** other bytes live by this nonce: wait for them */
  | "NONCE_BUSY"
  | "NO_FUNDS"
  | "REFUSED"
  | "WRONG_GENESIS"
  | "KEY_MISMATCH";

export class ChainError extends Error {
  override name = "ChainError";
  readonly code: ChainErrorCode;
  /** how long the other side wants to be left alone */
  readonly retryAfterMs: number | undefined;
  constructor(code: ChainErrorCode, message: string, cause?: unknown, retryAfterMs?: number) {
    super(message, { cause });
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}
