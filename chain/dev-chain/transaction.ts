import {
  type CompiledTransactionMessage,
  type CompiledTransactionMessageWithLifetime,
  getBase58Decoder,
  getBase64Decoder,
  getBase64Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type SignatureBytes,
  type Transaction,
} from "@solana/kit";
import { INVALID_PARAMS, RpcError } from "./errors.ts";

type AnyMessage = CompiledTransactionMessage & CompiledTransactionMessageWithLifetime;
export type Message = Extract<AnyMessage, { version: 0 | "legacy" }>;
export interface ParsedTransaction {
  transaction: Transaction;
  message: Message;
  /** base58 of the first signature; all ones where the transaction is not signed */
  signature: string;
  wire: string;
}

const MAX_BYTES = 1232;
export const base58 = (bytes: Uint8Array | Parameters<ReturnType<typeof getBase58Decoder>["decode"]>[0]): string =>
  getBase58Decoder().decode(bytes);
export const base64 = (bytes: Uint8Array): string => getBase64Decoder().decode(bytes);

/** Decodes a transaction from outside; throws RpcError -32602 for anything that is none. */
export function parseTransaction(wire: string): ParsedTransaction {
  const { transaction, message } = decode(wire);
  if (message.version !== "legacy" && message.version !== 0)
    throw new RpcError(INVALID_PARAMS, `transaction version ${message.version} is not supported`);
  if ("addressTableLookups" in message && message.addressTableLookups?.length)
    throw new RpcError(INVALID_PARAMS, "this chain has no address lookup tables");
  const first = Object.values(transaction.signatures)[0];
  return { transaction, message, wire, signature: base58(first ?? new Uint8Array(64)) };
}

function decode(wire: string): { transaction: Transaction; message: AnyMessage } {
  const bytes = getBase64Encoder().encode(wire);
  if (bytes.length > MAX_BYTES)
    throw new RpcError(
      INVALID_PARAMS,
      `base64 encoded transaction too large: ${bytes.length} bytes (max: ${MAX_BYTES})`,
    );
  try {
    const transaction = getTransactionDecoder().decode(bytes);
    return {
      transaction,
      message: getCompiledTransactionMessageDecoder().decode(transaction.messageBytes) as AnyMessage,
    };
  } catch (error) {
    throw new RpcError(
      INVALID_PARAMS,
      `failed to deserialize transaction: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The transaction with every missing signature filled in, for a simulation that checks none. */
export function withSomeSignatures(transaction: Transaction): Transaction {
  const filled = Object.entries(transaction.signatures).map(([of, bytes]) => [of, bytes ?? new Uint8Array(64).fill(1)]);
  return { ...transaction, signatures: Object.fromEntries(filled) as Record<string, SignatureBytes> };
}

const MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";

/** Memo text as Agave indexes it: "[length] text". */
export function memoOf(message: Message): string | null {
  const memo = message.instructions.find((i) => message.staticAccounts[i.programAddressIndex] === MEMO);
  return memo?.data ? `[${memo.data.length}] ${new TextDecoder().decode(memo.data as Uint8Array)}` : null;
}

const SYSTEM = "11111111111111111111111111111111";
const ADVANCE_NONCE = 4;

export interface NonceUse {
  account: string;
  authority: string;
}

/** The nonce account whose value the transaction lives by: AdvanceNonceAccount is then its first instruction. */
export function nonceUse({ instructions, staticAccounts, header }: Message): NonceUse | null {
  const first = instructions[0];
  if (!first?.data || staticAccounts[first.programAddressIndex] !== SYSTEM) return null;
  if (first.data.length !== 4 || first.data[0] !== ADVANCE_NONCE) return null;
  const [account, , authority] = first.accountIndices ?? [];
  if (account === undefined || authority === undefined || authority >= header.numSignerAccounts) return null;
  return { account: staticAccounts[account]!, authority: staticAccounts[authority]! };
}
