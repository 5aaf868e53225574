import { randomBytes } from "node:crypto";
import { address } from "@solana/kit";
import { FailedTransactionMetadata, LiteSVM, type TransactionMetadata } from "litesvm";
import { lamportsOf, readAccount, SYSTEM_PROGRAM, tokenBalances, writableKeys, writeAccount } from "./accounts.ts";
import { createClock, type SlotClock } from "./clock.ts";
import { INVALID_PARAMS, preflightError, RpcError, transactionError } from "./errors.ts";
import { MAX_LAG_SLOTS } from "./faults.ts";
import { advanceNonce, livesByNonce } from "./nonce.ts";
import type { Balances, ChainState, Store, StoredAccount, TransactionRecord } from "./store.ts";
import { base58, feeOf, type Message, memoOf, parseTransaction, withSomeSignatures } from "./transaction.ts";

export type Commitment = "processed" | "confirmed" | "finalized";
export const COMMITMENTS: readonly Commitment[] = ["processed", "confirmed", "finalized"];

export interface LedgerOptions {
  store: Store;
  /** 0: slots pass only by clock.skip */
  slotMs: number;
  finalAfterSlots: number;
  /** transactions kept; older ones are forgotten, as on a real node */
  keptRecords?: number;
}

const CONFIRMED_AFTER_SLOTS = 1;
const KEPT_RECORDS = 4_096;

export interface Simulation {
  err: unknown;
  logs: string[];
  units: number;
}

export interface SubmitOptions {
  /** the slot that preflight reads at; null: none */
  preflightAt?: number | null;
  /** the payer has no money in the moment of execution: a fault */
  withoutMoney?: boolean;
}

export type Ledger = ReturnType<typeof createLedger>;

/**
 * A LiteSVM with what a cluster has around it: slots, commitments, blockhash ages, durable nonces, history, forks. Everything that was
 * answered is on disk before it is answered.
 */
export function createLedger({ store, slotMs, finalAfterSlots, keptRecords = KEPT_RECORDS }: LedgerOptions) {
  const state = store.load() ?? newState();
  const clock = createClock(state, slotMs);
  // Its own blockhash check knows only one hash; ages are checked here.
  const svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n);
  for (const [key, account] of Object.entries(state.accounts)) writeAccount(svm, key, account);

  const depth: Record<Commitment, number> = {
    processed: 0,
    confirmed: CONFIRMED_AFTER_SLOTS,
    finalized: finalAfterSlots,
  };
  const slotAt = (commitment: Commitment): number => Math.max(0, clock.slot() - depth[commitment]);
  /** `lag`: as a node sees it that is so many slots behind */
  const commitmentOf = (slot: number, lag = 0): Commitment =>
    COMMITMENTS.findLast((c) => slot <= clock.slot() - lag - depth[c]) ?? "processed";

  const save = () => {
    state.records.splice(0, state.records.length - keptRecords);
    const readable = clock.slot() - finalAfterSlots - MAX_LAG_SLOTS - 1;
    for (const record of state.records) if (record.slot < readable) record.before = {};
    state.forks = state.forks.slice(-8);
    clock.skip(0);
    store.save(state);
  };
  const keep = (record: TransactionRecord) => {
    for (const key of Object.keys(record.before)) state.accounts[key] = readAccount(svm, key);
    state.records.push(record);
    save();
  };
  save();

  /** The account as it was at `slot`. */
  const accountAt = (key: string, slot: number): StoredAccount => {
    let later: TransactionRecord | undefined;
    for (let i = state.records.length - 1; i >= 0 && state.records[i]!.slot > slot; i--)
      if (key in state.records[i]!.before) later = state.records[i];
    return later ? later.before[key]! : readAccount(svm, key);
  };
  const hashIsAlive = (hash: string, slot = clock.slot()): boolean => {
    const of = clock.slotOf(hash);
    return of !== null && of <= slot;
  };
  /** Runs `work` on the accounts as they were at `slot`. */
  const asAt = <T>(slot: number, keys: readonly string[], work: () => T): T => {
    const changed = new Set(state.records.filter((r) => r.slot > slot).flatMap((r) => Object.keys(r.before)));
    const later = keys.filter((key) => changed.has(key)).map((key) => [key, readAccount(svm, key)] as const);
    for (const [key] of later) writeAccount(svm, key, accountAt(key, slot));
    try {
      return work();
    } finally {
      for (const [key, now] of later) writeAccount(svm, key, now);
    }
  };
  const balancesOf = (keys: readonly string[], writable: readonly string[]): Balances => ({
    lamports: keys.map((key) => String(svm.getBalance(address(key)) ?? 0n)),
    tokens: tokenBalances(svm, keys, new Set(writable)),
  });

  /** At `slot`: neither money nor accounts of later blocks count. */
  function simulate(wire: string, checkSignatures: boolean, checkAge = true, slot = clock.slot()): Simulation {
    const { transaction, message } = parseTransaction(wire);
    return asAt(slot, message.staticAccounts, () => {
      if (checkAge && !hashIsAlive(message.lifetimeToken, slot) && !livesByNonce(svm, message))
        return { err: "BlockhashNotFound", logs: [], units: 0 };
      setTime(svm, clock);
      svm.withSigverify(checkSignatures);
      const result = svm.simulateTransaction(withSomeSignatures(transaction));
      svm.withSigverify(true);
      const meta = result.meta();
      const err = result instanceof FailedTransactionMetadata ? transactionError(result) : null;
      return { err, logs: meta.logs(), units: Number(meta.computeUnitsConsumed()) };
    });
  }

  /**
   * Executes a transaction in the current slot. Throws RpcError where a cluster would not have taken it into a block, also where nobody asked for
   * preflight: a real node then answers with the signature and says nothing.
   */
  function submit(wire: string, { preflightAt = null, withoutMoney = false }: SubmitOptions = {}): string {
    const parsed = parseTransaction(wire);
    const { message, signature } = parsed;
    if (state.records.some((record) => record.signature === signature)) throw preflightError("AlreadyProcessed");
    const byNonce = !hashIsAlive(message.lifetimeToken);
    if (byNonce && !livesByNonce(svm, message)) throw preflightError("BlockhashNotFound");
    if (preflightAt !== null) {
      const { err, logs, units } = simulate(wire, true, true, preflightAt);
      if (err !== null) throw preflightError(err, logs, units);
    }
    setTime(svm, clock);
    const keys = [...message.staticAccounts];
    const writable = writableKeys(message);
    const before = Object.fromEntries(writable.map((key) => [key, readAccount(svm, key)]));
    const pre = balancesOf(keys, writable);
    const run = () => svm.sendTransaction(withSomeSignatures(parsed.transaction));
    const result = withoutMoney ? withEmptyPayer(svm, message, run) : run();
    const failed = result instanceof FailedTransactionMetadata;
    const meta: TransactionMetadata = failed ? result.meta() : result;
    const err = failed ? transactionError(result) : null;
    const post = balancesOf(keys, writable);
    const fee = Number(total(pre) - total(post));
    if (failed && fee === 0) throw preflightError(err, meta.logs()); // not even the fee was taken: it is in no block
    if (failed && byNonce) advanceNonce(svm, message);
    keep({
      ...{ signature, slot: clock.slot(), err, wire, keys, memo: memoOf(message), logs: meta.logs(), fee },
      ...{ units: Number(meta.computeUnitsConsumed()), time: seconds(), before, pre, post },
    });
    return signature;
  }

  return {
    clock,
    genesis: state.genesis,
    slotAt,
    commitmentOf,
    accountAt,
    submit,
    simulate,
    rent: (space: number): number => Number(svm.minimumBalanceForRentExemption(BigInt(space))),
    /** as seen at `slot` */
    isAlive: hashIsAlive,
    record: (signature: string): TransactionRecord | undefined =>
      state.records.find((record) => record.signature === signature),
    /** newest first */
    recordsOf: (key: string): TransactionRecord[] =>
      state.records.filter((record) => record.keys.includes(key)).reverse(),
    recordsSince: (slot: number): TransactionRecord[] => state.records.filter((record) => record.slot >= slot),
    transactionCount: (): number => state.records.length,
    ownedBy: (program: string, slot: number): [string, NonNullable<StoredAccount>][] => {
      const keys = new Set([
        ...Object.keys(state.accounts),
        ...svm.getProgramAccounts(address(program)).map((account) => account.address),
      ]);
      return [...keys].flatMap((key): [string, NonNullable<StoredAccount>][] => {
        const account = accountAt(key, slot);
        return account?.[1] === program ? [[key, account]] : [];
      });
    },
    airdrop(to: string, amount: bigint): string {
      const before = { [to]: readAccount(svm, to) };
      const pre = balancesOf([to], [to]);
      const [balance = "0", owner = SYSTEM_PROGRAM, data = "", executable = false] = before[to] ?? [];
      writeAccount(svm, to, [String(BigInt(balance) + amount), owner, data, executable]);
      const signature = base58(new Uint8Array(randomBytes(64)));
      keep({
        ...{ signature, slot: clock.slot(), err: null, wire: "", keys: [to], memo: null, logs: [], fee: 0, units: 0 },
        ...{ time: seconds(), before, pre, post: balancesOf([to], [to]) },
      });
      return signature;
    },
    /** Slots pass at once. */
    skip(slots: number): void {
      clock.skip(slots);
      save();
    },
    /** A fork: nothing after `slot` ever happened, and blocks from there have other hashes. Final slots stay. */
    rollback(slot: number): void {
      if (slot < slotAt("finalized")) throw new RpcError(INVALID_PARAMS, `slot ${slot} is before the last final one`);
      while ((state.records.at(-1)?.slot ?? 0) > slot) {
        for (const [key, account] of Object.entries(state.records.pop()!.before)) {
          writeAccount(svm, key, account);
          state.accounts[key] = account;
        }
      }
      state.forks.push({ slot: slot + 1, salt: randomBytes(8).toString("hex") });
      save();
    },
    close: save,
  };
}

const seconds = () => Math.floor(Date.now() / 1000);
const total = ({ lamports }: Balances): bigint => lamports.reduce((sum, amount) => sum + BigInt(amount), 0n);

function setTime(svm: LiteSVM, clock: SlotClock): void {
  svm.warpToSlot(BigInt(clock.slot()));
  const now = svm.getClock();
  now.unixTimestamp = BigInt(seconds());
  svm.setClock(now);
}

/** Runs a transaction whose payer can just pay the fee, then gives it the rest of its money back. */
function withEmptyPayer<T>(svm: LiteSVM, message: Message, run: () => T): T {
  const payer = message.staticAccounts[0]!;
  const [amount, ...account] = readAccount(svm, payer) ?? ["0", SYSTEM_PROGRAM, "", false];
  const left = svm.minimumBalanceForRentExemption(0n) + BigInt(feeOf(message));
  if (BigInt(amount) <= left) return run();
  writeAccount(svm, payer, [String(left), ...account]);
  const result = run();
  const after = lamportsOf(readAccount(svm, payer));
  writeAccount(svm, payer, [String(BigInt(amount) - left + after), ...account]);
  return result;
}

const newState = (): ChainState => ({
  version: 1,
  genesis: base58(new Uint8Array(randomBytes(32))),
  slot: 1,
  timeMs: Date.now(),
  forks: [],
  accounts: {},
  records: [],
});
