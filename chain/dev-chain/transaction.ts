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

const MEMO_PROGRAMS = new Set([
  "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
  "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
]);

/** Memo texts as Agave indexes them: "[length] text; [length] text". */
export function memoOf({ instructions, staticAccounts }: Message): string | null {
  const memos = instructions.filter((i) => MEMO_PROGRAMS.has(staticAccounts[i.programAddressIndex]!));
  const texts = memos.map(
    ({ data = new Uint8Array() }) => `[${data.length}] ${new TextDecoder().decode(bytesOf(data))}`,
  );
  return texts.length > 0 ? texts.join("; ") : null;
}

const COMPUTE_BUDGET = "ComputeBudget111111111111111111111111111111";
const SET_UNIT_LIMIT = 2;
const SET_UNIT_PRICE = 3;
const FEE_PER_SIGNATURE = 5_000n;
const DEFAULT_UNITS = 200_000n;
const MICRO = 1_000_000n;

/** Price of a compute unit in micro-lamports, 0 where the message names none. */
export const unitPriceOf = (message: Message): bigint => {
  const data = budgetInstruction(message, SET_UNIT_PRICE);
  return data ? Buffer.from(data).readBigUInt64LE(1) : 0n;
};

/** Lamports that a message costs: signatures, and the price of all compute units that it reserves. */
export function feeOf(message: Message): number {
  const limit = budgetInstruction(message, SET_UNIT_LIMIT);
  const others = message.instructions.filter((i) => message.staticAccounts[i.programAddressIndex] !== COMPUTE_BUDGET);
  const units = limit ? BigInt(Buffer.from(limit).readUInt32LE(1)) : DEFAULT_UNITS * BigInt(others.length);
  const priority = (unitPriceOf(message) * units + MICRO - 1n) / MICRO;
  return Number(FEE_PER_SIGNATURE * BigInt(message.header.numSignerAccounts) + priority);
}

const BUDGET_BYTES: Readonly<Record<number, number>> = { [SET_UNIT_LIMIT]: 5, [SET_UNIT_PRICE]: 9 };

function budgetInstruction({ instructions, staticAccounts }: Message, kind: number): Uint8Array | undefined {
  const found = instructions.find(
    ({ data, programAddressIndex }) =>
      staticAccounts[programAddressIndex] === COMPUTE_BUDGET &&
      data?.[0] === kind &&
      data.length === BUDGET_BYTES[kind],
  );
  return found?.data && bytesOf(found.data);
}

/** Decodes a message from outside; throws RpcError -32602 for anything that is none. */
export function parseMessage(encoded: string): Message {
  try {
    return getCompiledTransactionMessageDecoder().decode(getBase64Encoder().encode(encoded)) as Message;
  } catch (error) {
    throw new RpcError(
      INVALID_PARAMS,
      `failed to deserialize message: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const bytesOf = (data: ArrayLike<number>): Uint8Array => Uint8Array.from(data);

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
