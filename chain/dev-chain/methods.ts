import { getBase58Encoder, getBase64Encoder } from "@solana/kit";
import { z } from "zod";
import { HASH_WINDOW } from "./clock.ts";
import { behindError, INVALID_PARAMS, RpcError } from "./errors.ts";
import { COMMITMENTS, type Ledger } from "./ledger.ts";
import type { StoredAccount, TransactionRecord } from "./store.ts";
import { base58, base64, parseTransaction } from "./transaction.ts";

const VERSION = "4.0.0-almanac-dev-chain";

/** How far behind and how forgetful this node pretends to be. */
export interface ReadFaults {
  lag: number;
  hideSignatures: number;
  pruned: boolean;
}

const key = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "not a base58 address");
const slice = z.object({ offset: z.number().int().min(0), length: z.number().int().min(0) });
const memcmp = z.object({
  offset: z.number().int().min(0),
  bytes: z.string(),
  encoding: z.enum(["base58", "base64"]).default("base58"),
});
const config = z.object({
  commitment: z.enum(["processed", "confirmed", "finalized"]).default("finalized"),
  minContextSlot: z.number().int().optional(),
  encoding: z.string().optional(),
  dataSlice: slice.optional(),
  filters: z.array(z.union([z.object({ dataSize: z.number().int() }), z.object({ memcmp })])).default([]),
  limit: z.number().int().min(1).max(1000).default(1000),
  before: z.string().optional(),
  until: z.string().optional(),
  skipPreflight: z.boolean().default(false),
  sigVerify: z.boolean().default(false),
  replaceRecentBlockhash: z.boolean().default(false),
  withContext: z.boolean().default(false),
});
type Config = z.output<typeof config>;
export type Method = (params: readonly unknown[]) => unknown;

/** Parses one parameter; Agave's code for what cannot be used. */
function param<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new RpcError(INVALID_PARAMS, `Invalid params: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The methods of Solana's JSON-RPC that this chain answers, over one ledger. */
export function createMethods(ledger: Ledger, faults: ReadFaults): Record<string, Method> {
  const options = (value: unknown): Config => param(config, value ?? {});
  const slotFor = ({ commitment, minContextSlot }: Config): number => {
    const slot = Math.max(0, ledger.slotAt(commitment) - faults.lag);
    if (minContextSlot !== undefined && slot < minContextSlot) throw behindError(slot);
    return slot;
  };
  const inContext = (slot: number, value: unknown) => ({ context: { slot, apiVersion: VERSION }, value });
  const height: Method = ([o]) => slotFor(options(o));
  const visible = (record: TransactionRecord, { commitment }: Config): boolean =>
    COMMITMENTS.indexOf(ledger.commitmentOf(record.slot)) >= COMMITMENTS.indexOf(commitment);

  function status(signature: string) {
    if (faults.pruned) return null;
    if (faults.hideSignatures > 0) {
      faults.hideSignatures--;
      return null;
    }
    const record = ledger.record(signature);
    if (!record) return null;
    const confirmationStatus = ledger.commitmentOf(record.slot);
    const confirmations = confirmationStatus === "finalized" ? null : ledger.clock.slot() - record.slot;
    return { slot: record.slot, confirmations, err: record.err, status: outcome(record), confirmationStatus };
  }

  function history(of: string, o: Config) {
    if (faults.pruned) return [];
    let records = ledger.recordsOf(of).filter((record) => visible(record, o));
    const at = (signature: string | undefined) => records.findIndex((record) => record.signature === signature);
    if (o.before !== undefined) records = records.slice(at(o.before) + 1);
    if (o.until !== undefined && at(o.until) >= 0) records = records.slice(0, at(o.until));
    return records.slice(0, o.limit).map(({ signature, slot, err, memo, time }) => ({
      ...{ signature, slot, err, memo, blockTime: time },
      confirmationStatus: ledger.commitmentOf(slot),
    }));
  }

  return {
    getHealth: () => "ok",
    getVersion: () => ({ "solana-core": VERSION, "feature-set": 0 }),
    getGenesisHash: () => ledger.genesis,
    getSlot: height,
    getBlockHeight: height,
    getEpochInfo: ([o]) => epochInfo(slotFor(options(o)), ledger.transactionCount()),
    getLatestBlockhash: ([o]) => {
      const slot = slotFor(options(o));
      return inContext(slot, { blockhash: ledger.clock.hashAt(slot), lastValidBlockHeight: slot + HASH_WINDOW });
    },
    isBlockhashValid: ([hash, o]) => inContext(slotFor(options(o)), ledger.isAlive(param(key, hash))),
    getFeeForMessage: ([message, o]) => inContext(slotFor(options(o)), feeFor(param(z.string(), message))),
    getMinimumBalanceForRentExemption: ([space]) => ledger.rent(param(z.number().int().min(0), space)),
    getBalance: ([of, o]) => {
      const slot = slotFor(options(o));
      return inContext(slot, Number(ledger.accountAt(param(key, of), slot)?.[0] ?? 0));
    },
    getAccountInfo: ([of, o]) => {
      const [c, slot] = [options(o), slotFor(options(o))];
      return inContext(slot, accountInfo(ledger.accountAt(param(key, of), slot), c));
    },
    getMultipleAccounts: ([all, o]) => {
      const [c, slot] = [options(o), slotFor(options(o))];
      const keys = param(z.array(key).max(100), all);
      return inContext(
        slot,
        keys.map((of) => accountInfo(ledger.accountAt(of, slot), c)),
      );
    },
    getProgramAccounts: ([program, o]) => {
      const [c, slot] = [options(o), slotFor(options(o))];
      const found = ledger.ownedBy(param(key, program), slot).filter(([, account]) => passes(account, c));
      const value = found.map(([pubkey, account]) => ({ pubkey, account: accountInfo(account, c) }));
      return c.withContext ? inContext(slot, value) : value;
    },
    sendTransaction: ([wire, o]) => {
      const c = options(o);
      return ledger.submit(asBase64(param(z.string(), wire), c), c.skipPreflight);
    },
    simulateTransaction: ([wire, o]) => {
      const c = options(o);
      const { err, logs, units } = ledger.simulate(
        asBase64(param(z.string(), wire), c),
        c.sigVerify,
        !c.replaceRecentBlockhash,
      );
      return inContext(slotFor(c), { err, logs, accounts: null, unitsConsumed: units, returnData: null });
    },
    getSignatureStatuses: ([all]) =>
      inContext(ledger.slotAt("processed"), param(z.array(z.string()).max(256), all).map(status)),
    getSignaturesForAddress: ([of, o]) => history(param(key, of), options(o)),
    getTransaction: ([signature, o]) => {
      const record = faults.pruned ? undefined : ledger.record(param(z.string(), signature));
      return record && record.wire !== "" && visible(record, options(o)) ? transactionInfo(record) : null;
    },
    requestAirdrop: ([to, amount]) =>
      ledger.airdrop(param(key, to), BigInt(param(z.number().int().positive(), amount))),
  };
}

/** The signature that a wire transaction will have. */
export const signatureOf = ([wire, o]: readonly unknown[]): string =>
  parseTransaction(asBase64(param(z.string(), wire), param(config, o ?? {}))).signature;

const asBase64 = (wire: string, { encoding }: Config): string =>
  encoding === "base64" ? wire : base64(Uint8Array.from(getBase58Encoder().encode(wire)));

const outcome = ({ err }: TransactionRecord) => (err === null ? { Ok: null } : { Err: err });

function accountInfo(account: StoredAccount, { encoding, dataSlice }: Config) {
  if (!account) return null;
  const [lamports, owner, encoded, executable] = account;
  const whole = Uint8Array.from(getBase64Encoder().encode(encoded));
  const data = dataSlice ? whole.slice(dataSlice.offset, dataSlice.offset + dataSlice.length) : whole;
  const text = encoding === "base58" ? [base58(data), "base58"] : [base64(data), "base64"];
  return { data: text, executable, lamports: Number(lamports), owner, rentEpoch: 0, space: whole.length };
}

function passes([, , encoded]: NonNullable<StoredAccount>, { filters }: Config): boolean {
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

const epochInfo = (slot: number, transactionCount: number) => ({
  ...{ absoluteSlot: slot, blockHeight: slot, slotIndex: slot, transactionCount },
  ...{ epoch: 0, slotsInEpoch: 432_000 },
});

/** 5,000 lamports a signature; the count stands in the message header, after the version byte where there is one. */
function feeFor(message: string): number {
  const bytes = Buffer.from(message, "base64");
  const versioned = ((bytes[0] ?? 0) & 0x80) !== 0;
  return 5_000 * (bytes[versioned ? 1 : 0] ?? 0);
}

const transactionInfo = (record: TransactionRecord) => ({
  slot: record.slot,
  blockTime: record.time,
  version: 0,
  transaction: [record.wire, "base64"],
  meta: {
    ...{
      err: record.err,
      status: outcome(record),
      fee: record.fee,
      computeUnitsConsumed: record.units,
      logMessages: record.logs,
    },
    ...{
      innerInstructions: [],
      preBalances: [],
      postBalances: [],
      preTokenBalances: [],
      postTokenBalances: [],
      rewards: [],
    },
    loadedAddresses: { readonly: [], writable: [] },
  },
});
