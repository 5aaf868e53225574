import { getBase58Encoder } from "@solana/kit";
import { INVALID_PARAMS, INVALID_REQUEST, RpcError, versionError } from "./errors.ts";
import type { Config } from "./params.ts";
import type { StoredAccount, TransactionRecord } from "./store.ts";
import { base58, base64, type Message, parseTransaction } from "./transaction.ts";

const MAX_BASE58_BYTES = 128;

/** An account as Agave shows it; null: there is none. */
export function accountInfo(account: StoredAccount, { encoding, dataSlice }: Config) {
  if (!account) return null;
  const [lamports, owner, encoded, executable] = account;
  const whole = Buffer.from(encoded, "base64");
  const data = dataSlice ? whole.subarray(dataSlice.offset, dataSlice.offset + dataSlice.length) : whole;
  return {
    data: encodedData(data, encoding),
    executable,
    lamports: Number(lamports),
    owner,
    rentEpoch: 0,
    space: whole.length,
  };
}

function encodedData(data: Uint8Array, encoding: string | undefined): unknown {
  if (encoding === "base64" || encoding === "jsonParsed") return [base64(data), "base64"]; // no parser: base64, as Agave does
  if (encoding !== undefined && encoding !== "base58")
    throw new RpcError(INVALID_PARAMS, `encoding ${encoding} is not offered here: ask for base64 or base58`);
  if (data.length > MAX_BASE58_BYTES)
    throw new RpcError(
      INVALID_REQUEST,
      "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.",
    );
  return encoding === undefined ? base58(data) : [base58(data), "base58"];
}

/** True where the account passes every filter of getProgramAccounts. */
export function passes([, , encoded]: NonNullable<StoredAccount>, { filters }: Config): boolean {
  const data = Buffer.from(encoded, "base64");
  return filters.every((filter) => {
    if ("dataSize" in filter) return data.length === filter.dataSize;
    const { offset, bytes, encoding } = filter.memcmp;
    const wanted =
      encoding === "base64"
        ? Buffer.from(bytes, "base64")
        : Buffer.from(getBase58Encoder().encode(bytes) as Uint8Array);
    return data.subarray(offset, offset + wanted.length).equals(wanted);
  });
}

export const outcome = ({ err }: TransactionRecord) => (err === null ? { Ok: null } : { Err: err });

/** A transaction with what it did, in the encoding that is asked for (json, base64, base58). */
export function transactionInfo(
  record: TransactionRecord,
  { encoding = "json", maxSupportedTransactionVersion }: Config,
) {
  const { message } = parseTransaction(record.wire);
  const { version } = message;
  if (version !== "legacy" && maxSupportedTransactionVersion === undefined) throw versionError(version);
  const { slot, time: blockTime, err, fee, units, logs, pre, post } = record;
  return {
    ...{ slot, blockTime, transaction: encodedTransaction(record, message, encoding) },
    ...(maxSupportedTransactionVersion === undefined ? {} : { version }),
    meta: {
      ...{ err, status: outcome(record), fee, computeUnitsConsumed: units, logMessages: logs, innerInstructions: [] },
      ...{ preBalances: pre.lamports.map(Number), postBalances: post.lamports.map(Number) },
      ...{ preTokenBalances: pre.tokens, postTokenBalances: post.tokens, rewards: [] },
      loadedAddresses: { readonly: [], writable: [] },
    },
  };
}

function encodedTransaction({ wire }: TransactionRecord, message: Message, encoding: string): unknown {
  if (encoding === "base64") return [wire, "base64"];
  if (encoding === "base58") return [base58(Buffer.from(wire, "base64")), "base58"];
  if (encoding === "json") return { signatures: signaturesOf(wire, message), message: messageJson(message) };
  throw new RpcError(INVALID_PARAMS, `encoding ${encoding} is not offered here: ask for json, base64 or base58`);
}

const SIGNATURE_BYTES = 64;
/** On the wire they stand first, after their count. */
const signaturesOf = (wire: string, { header }: Message): string[] =>
  Array.from({ length: header.numSignerAccounts }, (_, i) =>
    base58(Buffer.from(wire, "base64").subarray(1 + i * SIGNATURE_BYTES, 1 + (i + 1) * SIGNATURE_BYTES)),
  );

function messageJson({ version, staticAccounts, header, lifetimeToken, instructions }: Message) {
  return {
    accountKeys: staticAccounts,
    header: {
      numRequiredSignatures: header.numSignerAccounts,
      numReadonlySignedAccounts: header.numReadonlySignerAccounts,
      numReadonlyUnsignedAccounts: header.numReadonlyNonSignerAccounts,
    },
    recentBlockhash: lifetimeToken,
    instructions: instructions.map(({ programAddressIndex, accountIndices = [], data = new Uint8Array() }) => ({
      ...{ programIdIndex: programAddressIndex, accounts: accountIndices },
      ...{ data: base58(Uint8Array.from(data)), stackHeight: 1 },
    })),
    ...(version === "legacy" ? {} : { addressTableLookups: [] }),
  };
}
