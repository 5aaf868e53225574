import {
  address,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  type SignatureBytes,
  type Transaction,
} from "@solana/kit";
import { type Attempt, ChainError, type FrozenPlan, type Lifetime } from "../port.ts";
import { type Signer, signBytes } from "../signer.ts";
import { unitPrice } from "./fee.ts";
import { MARKER_SPACE } from "./markers.ts";
import { compilePlan, MAX_COMPUTE_UNITS, MAX_TRANSACTION_BYTES, planBytes, type Terms } from "./message.ts";
import { nonceOf } from "./nonce.ts";
import { refusal } from "./refusal.ts";
import type { Rpc } from "./rpc.ts";

const COMPUTE_MARGIN = 1.2;

export interface SigningOptions {
  signer: Signer;
  /** transactions live by it; null: by a recent blockhash */
  nonceAccount: string | null;
  /** most that is paid for priority: micro-lamports a compute unit */
  maxUnitPrice: bigint;
}
type MayUse = (nonce: string) => Promise<boolean>;

/**
 * Attempt `n` of a plan: simulated without a signature, then signed with a compute limit from the simulation and a priority fee from what
 * recent blocks asked. Sends nothing.
 */
export async function signPlan(
  rpc: Rpc,
  options: SigningOptions,
  plan: FrozenPlan,
  n: number,
  mayUse?: MayUse,
): Promise<Attempt> {
  const { signer } = options;
  if (signer.address !== plan.base)
    throw new ChainError(
      "KEY_MISMATCH",
      `The plan was frozen for key ${plan.base}, the node signs as ${signer.address}. Give it that key back.`,
    );
  const terms = await termsFor(rpc, options, plan, mayUse);
  const signed = await signTransaction(signer, compilePlan(plan, terms));
  const [wire, id] = [getBase64EncodedWireTransaction(signed), getSignatureFromTransaction(signed)];
  return { n, lifetime: terms.lifetime, wire, id };
}

/** The transaction with the one signature that it needs. */
export async function signTransaction(signer: Signer, unsigned: Transaction): Promise<Transaction> {
  const signature = (await signBytes(signer, new Uint8Array(unsigned.messageBytes))) as SignatureBytes;
  return { ...unsigned, signatures: { [address(signer.address)]: signature } };
}

async function termsFor(rpc: Rpc, options: SigningOptions, plan: FrozenPlan, mayUse?: MayUse): Promise<Terms> {
  const lifetime = await lifetimeFor(rpc, options, plan, mayUse);
  const draft = { lifetime, rent: await rpc.rent(MARKER_SPACE), computeUnits: MAX_COMPUTE_UNITS, unitPrice: 0n };
  const price = await unitPrice(rpc, plan.base, options.maxUnitPrice);
  const terms: Terms = { ...draft, computeUnits: await neededUnits(rpc, plan, draft), unitPrice: price };
  if (price > 0n) await neededUnits(rpc, plan, terms); // a payer without the fee would be dropped in silence
  return terms;
}

async function lifetimeFor(
  rpc: Rpc,
  { signer, nonceAccount }: SigningOptions,
  plan: FrozenPlan,
  mayUse?: MayUse,
): Promise<Lifetime> {
  if (nonceAccount === null) {
    const { blockhash, lastValidBlockHeight } = await rpc.latestBlockhash();
    return { blockhash, lastValidBlockHeight: String(lastValidBlockHeight) };
  }
  if (planBytes(plan, nonceAccount) > MAX_TRANSACTION_BYTES)
    throw new ChainError(
      "REFUSED",
      "The plan was frozen for blockhashes and leaves no room for a nonce. Set SUBMISSION_LIFETIME=blockhash until it is through.",
    );
  // As finalized: a value that a fork may still take back would look used up for ever.
  const [account] = (await rpc.finalizedAccounts([nonceAccount])).accounts;
  const nonce = nonceOf(account, nonceAccount, signer.address);
  if (mayUse && !(await mayUse(nonce)))
    throw new ChainError("NONCE_BUSY", `a transaction that is not settled yet lives by the nonce ${nonce}`);
  return { nonce, nonceAccount };
}

async function neededUnits(rpc: Rpc, plan: FrozenPlan, terms: Terms): Promise<number> {
  const { err, logs, unitsConsumed } = await rpc.simulate(getBase64EncodedWireTransaction(compilePlan(plan, terms)));
  if (err !== null) throw refusal(plan, terms, err, logs ?? []);
  return Math.min(MAX_COMPUTE_UNITS, Math.ceil(Number(unitsConsumed ?? MAX_COMPUTE_UNITS) * COMPUTE_MARGIN));
}
