import { getBase58Encoder } from "@solana/kit";
import { accountInfo, outcome, passes, transactionInfo } from "./answers.ts";
import { HASH_WINDOW } from "./clock.ts";
import { behindError, unhealthyError } from "./errors.ts";
import { type Faults, take } from "./faults.ts";
import { COMMITMENTS, type Ledger } from "./ledger.ts";
import * as p from "./params.ts";
import type { TransactionRecord } from "./store.ts";
import { base64, feeOf, parseMessage, parseTransaction, unitPriceOf } from "./transaction.ts";

/** Says at first sight what this is. */
const VERSION = "4.0.0-LOCAL-almanac-dev-chain";
/** "LOCL" in ASCII */
const FEATURE_SET = 0x4c_4f_43_4c;

export type Method = (params: readonly unknown[]) => unknown;

/** The methods of Solana's JSON-RPC that this chain answers, over one ledger, by one endpoint with its faults. */
export function createMethods(ledger: Ledger, faults: Faults): Record<string, Method> {
  const tip = (): number => Math.max(0, ledger.clock.slot() - faults.lag);
  /** The slot to read at. Throws -32016 where this node is behind `minContextSlot`. */
  const slotFor = ({ commitment, minContextSlot }: p.Config): number => {
    const slot = Math.max(0, ledger.slotAt(commitment) - faults.lag);
    if (minContextSlot !== undefined && slot < minContextSlot) throw behindError(slot);
    return slot;
  };
  const inContext = (slot: number, value: unknown) => ({ context: { slot, apiVersion: VERSION }, value });
  const height: Method = ([o]) => slotFor(p.options(o));
  const commitmentOf = ({ slot }: TransactionRecord) => ledger.commitmentOf(slot, faults.lag);
  /** What this node knows of, and has not forgotten. */
  const known = (record: TransactionRecord | undefined): TransactionRecord | undefined =>
    record === undefined || faults.pruned || record.slot > tip() ? undefined : record;
  const visible = (record: TransactionRecord, { commitment }: p.Config): boolean =>
    known(record) !== undefined && COMMITMENTS.indexOf(commitmentOf(record)) >= COMMITMENTS.indexOf(commitment);

  function status(signature: string, { searchTransactionHistory }: p.Config) {
    if (take(faults, "hideSignatures")) return null;
    const record = known(ledger.record(signature));
    if (!record || (!searchTransactionHistory && record.slot < tip() - HASH_WINDOW)) return null;
    const confirmationStatus = commitmentOf(record);
    const confirmations = confirmationStatus === "finalized" ? null : tip() - record.slot;
    return { slot: record.slot, confirmations, err: record.err, status: outcome(record), confirmationStatus };
  }

  function history(of: string, o: p.Config) {
    let records = ledger.recordsOf(of).filter((record) => visible(record, o));
    const at = (signature: string | undefined) => records.findIndex((record) => record.signature === signature);
    if (o.before !== undefined) records = records.slice(at(o.before) + 1);
    if (o.until !== undefined && at(o.until) >= 0) records = records.slice(0, at(o.until));
    return records.slice(0, o.limit).map((record) => {
      const { signature, slot, err, memo, time } = record;
      return { signature, slot, err, memo, blockTime: time, confirmationStatus: commitmentOf(record) };
    });
  }

  function simulation(wire: string, o: p.Config) {
    const slot = slotFor(o);
    const { err, logs, units } = ledger.simulate(asBase64(wire, o), o.sigVerify, !o.replaceRecentBlockhash, slot);
    const replacementBlockhash = o.replaceRecentBlockhash
      ? { replacementBlockhash: { blockhash: ledger.clock.hashAt(slot), lastValidBlockHeight: slot + HASH_WINDOW } }
      : {};
    return inContext(slot, {
      ...{ err, logs, accounts: null, unitsConsumed: units, returnData: null },
      ...replacementBlockhash,
    });
  }

  /** The lowest unit price that landed in each of the last slots: there is no fee market here. */
  function prioritizationFees(locked: readonly string[]) {
    const [from, to] = [Math.max(0, tip() - HASH_WINDOW + 1), tip()];
    const lowest = new Map<number, number>();
    for (const { slot, wire, keys } of ledger.recordsSince(from)) {
      if (wire === "" || slot > to || !locked.every((account) => keys.includes(account))) continue;
      const price = Number(unitPriceOf(parseTransaction(wire).message));
      lowest.set(slot, Math.min(price, lowest.get(slot) ?? price));
    }
    return Array.from({ length: to - from + 1 }, (_, i) => ({
      slot: from + i,
      prioritizationFee: lowest.get(from + i) ?? 0,
    }));
  }

  return {
    getHealth: () => {
      if (faults.lag > 0) throw unhealthyError(faults.lag);
      return "ok";
    },
    getVersion: () => ({ "solana-core": VERSION, "feature-set": FEATURE_SET }),
    getGenesisHash: () => ledger.genesis,
    getSlot: height,
    getBlockHeight: height,
    getEpochInfo: ([o]) => epochInfo(slotFor(p.options(o)), ledger.transactionCount()),
    getLatestBlockhash: ([o]) => {
      const slot = slotFor(p.options(o));
      return inContext(slot, { blockhash: ledger.clock.hashAt(slot), lastValidBlockHeight: slot + HASH_WINDOW });
    },
    isBlockhashValid: ([hash, o]) => {
      const slot = slotFor(p.options(o));
      return inContext(slot, ledger.isAlive(p.param(p.key, hash), slot));
    },
    getFeeForMessage: ([message, o]) => inContext(slotFor(p.options(o)), feeOf(parseMessage(p.param(p.text, message)))),
    getRecentPrioritizationFees: ([locked]) => prioritizationFees(p.param(p.lockedAccounts, locked ?? [])),
    getMinimumBalanceForRentExemption: ([space]) => ledger.rent(p.param(p.space, space)),
    getBalance: ([of, o]) => {
      const slot = slotFor(p.options(o));
      return inContext(slot, Number(ledger.accountAt(p.param(p.key, of), slot)?.[0] ?? 0));
    },
    getAccountInfo: ([of, o]) => {
      const [c, slot] = [p.options(o), slotFor(p.options(o))];
      return inContext(slot, accountInfo(ledger.accountAt(p.param(p.key, of), slot), c));
    },
    getMultipleAccounts: ([all, o]) => {
      const [c, slot] = [p.options(o), slotFor(p.options(o))];
      const accounts = p.param(p.keys, all).map((of) => accountInfo(ledger.accountAt(of, slot), c));
      return inContext(slot, accounts);
    },
    getProgramAccounts: ([program, o]) => {
      const [c, slot] = [p.options(o), slotFor(p.options(o))];
      const found = ledger.ownedBy(p.param(p.key, program), slot).filter(([, account]) => passes(account, c));
      const value = found.map(([pubkey, account]) => ({ pubkey, account: accountInfo(account, c) }));
      return c.withContext ? inContext(slot, value) : value;
    },
    sendTransaction: ([wire, o]) => {
      const c = p.options(o);
      const preflight = slotFor({ ...c, commitment: c.preflightCommitment });
      return ledger.submit(asBase64(p.param(p.text, wire), c), {
        preflightAt: c.skipPreflight ? null : preflight,
        withoutMoney: take(faults, "failOnChain"),
      });
    },
    simulateTransaction: ([wire, o]) => simulation(p.param(p.text, wire), p.options(o)),
    getSignatureStatuses: ([all, o]) => {
      const c = p.options(o);
      return inContext(
        tip(),
        p.param(p.signatures, all).map((signature) => status(signature, c)),
      );
    },
    getSignaturesForAddress: ([of, o]) => history(p.param(p.key, of), p.historyOptions(o)),
    getTransaction: ([signature, o]) => {
      const c = p.historyOptions(typeof o === "string" ? { encoding: o } : o);
      const record = ledger.record(p.param(p.signature, signature));
      return record && record.wire !== "" && visible(record, c) ? transactionInfo(record, c) : null;
    },
    requestAirdrop: ([to, amount]) => ledger.airdrop(p.param(p.key, to), BigInt(p.param(p.lamports, amount))),
  };
}

/** The signature that a wire transaction will have. */
export const signatureOf = ([wire, o]: readonly unknown[]): string =>
  parseTransaction(asBase64(p.param(p.text, wire), p.options(o))).signature;

const asBase64 = (wire: string, { encoding }: p.Config): string =>
  encoding === "base64" ? wire : base64(Uint8Array.from(getBase58Encoder().encode(wire)));

const epochInfo = (slot: number, transactionCount: number) => ({
  ...{ absoluteSlot: slot, blockHeight: slot, slotIndex: slot, transactionCount },
  ...{ epoch: 0, slotsInEpoch: 432_000 },
});
