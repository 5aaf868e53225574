import { createHash, randomBytes } from "node:crypto";
import { type Address, address, type EncodedAccount, getBase58Encoder, getBase64Encoder, lamports } from "@solana/kit";
import { FailedTransactionMetadata, LiteSVM, type TransactionMetadata } from "litesvm";
import { createClock } from "./clock.ts";
import { INVALID_PARAMS, preflightError, RpcError, transactionError } from "./errors.ts";
import type { ChainState, Store, StoredAccount, TransactionRecord } from "./store.ts";
import { base58, base64, type Message, memoOf, nonceUse, parseTransaction, withSomeSignatures } from "./transaction.ts";

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
const FEE_PER_SIGNATURE = 5_000;
const NONCE_BYTES = 80;
// Layout of a nonce account: version u32, state u32, authority 32, nonce 32, fee u64.
const NONCE_AUTHORITY = 8;
const NONCE_VALUE = 40;
const NONCE_END = 72;

export interface Simulation {
  err: unknown;
  logs: string[];
  units: number;
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
  for (const [key, account] of Object.entries(state.accounts)) write(svm, key, account);

  const depth: Record<Commitment, number> = {
    processed: 0,
    confirmed: CONFIRMED_AFTER_SLOTS,
    finalized: finalAfterSlots,
  };
  const slotAt = (commitment: Commitment): number => Math.max(0, clock.slot() - depth[commitment]);
  const commitmentOf = (slot: number): Commitment =>
    COMMITMENTS.findLast((c) => slot <= clock.slot() - depth[c]) ?? "processed";

  const save = () => {
    state.records.splice(0, state.records.length - keptRecords);
    for (const record of state.records) if (record.slot < clock.slot() - 2 * (finalAfterSlots + 1)) record.before = {};
    state.forks = state.forks.slice(-8);
    clock.skip(0);
    store.save(state);
  };
  const keep = (record: TransactionRecord) => {
    for (const key of Object.keys(record.before)) state.accounts[key] = read(svm, key);
    state.records.push(record);
    save();
  };
  save();

  /** The account as it was at `slot`. */
  const accountAt = (key: string, slot: number): StoredAccount => {
    const later = state.records.find((record) => record.slot > slot && key in record.before);
    return later ? later.before[key]! : read(svm, key);
  };
  const isAlive = (message: Message): boolean => {
    if (clock.slotOf(message.lifetimeToken) !== null) return true;
    const nonce = nonceUse(message);
    const account = nonce && svm.getAccount(address(nonce.account));
    if (!nonce || !account?.exists || account.data.length !== NONCE_BYTES || account.data[4] !== 1) return false;
    const [authority, value] = [
      account.data.slice(NONCE_AUTHORITY, NONCE_VALUE),
      account.data.slice(NONCE_VALUE, NONCE_END),
    ].map(base58);
    return authority === nonce.authority && value === message.lifetimeToken;
  };
  const setTime = () => {
    svm.warpToSlot(BigInt(clock.slot()));
    const now = svm.getClock();
    now.unixTimestamp = BigInt(Math.floor(Date.now() / 1000));
    svm.setClock(now);
  };

  function simulate(wire: string, checkSignatures: boolean, checkAge = true): Simulation {
    const { transaction, message } = parseTransaction(wire);
    if (checkAge && !isAlive(message)) return { err: "BlockhashNotFound", logs: [], units: 0 };
    setTime();
    svm.withSigverify(checkSignatures);
    const result = svm.simulateTransaction(withSomeSignatures(transaction));
    svm.withSigverify(true);
    const meta = result.meta();
    const err = result instanceof FailedTransactionMetadata ? transactionError(result) : null;
    return { err, logs: meta.logs(), units: Number(meta.computeUnitsConsumed()) };
  }

  /** Executes a transaction in the current slot. Throws RpcError where a cluster would not have taken it into a block. */
  function submit(wire: string, skipPreflight: boolean): string {
    const parsed = parseTransaction(wire);
    const { message, signature } = parsed;
    if (state.records.some((record) => record.signature === signature)) throw preflightError("AlreadyProcessed");
    if (!isAlive(message)) throw preflightError("BlockhashNotFound");
    if (!skipPreflight) {
      const { err, logs, units } = simulate(wire, true);
      if (err !== null) throw preflightError(err, logs, units);
    }
    setTime();
    const payer = message.staticAccounts[0]!;
    const balance = svm.getBalance(payer);
    const before = Object.fromEntries(
      message.staticAccounts
        .map((key) => [key, read(svm, key)])
        .filter(([, account]) => !(account as StoredAccount)?.[3]),
    );
    const result = svm.sendTransaction(withSomeSignatures(parsed.transaction));
    const failed = result instanceof FailedTransactionMetadata;
    const meta: TransactionMetadata = failed ? result.meta() : result;
    const err = failed ? transactionError(result) : null;
    if (failed && svm.getBalance(payer) === balance) throw preflightError(err, meta.logs()); // not even the fee was taken
    if (failed) keepNonceAdvanced(message);
    const { staticAccounts: keys, header } = message;
    const fee = FEE_PER_SIGNATURE * header.numSignerAccounts;
    const units = Number(meta.computeUnitsConsumed());
    keep({
      signature,
      slot: clock.slot(),
      err,
      wire,
      keys: [...keys],
      memo: memoOf(message),
      logs: meta.logs(),
      fee,
      units,
      time: seconds(),
      before,
    });
    return signature;
  }

  /** Agave keeps the advanced nonce when the rest of its transaction fails; LiteSVM rolls it back. */
  function keepNonceAdvanced(message: Message): void {
    const nonce = nonceUse(message);
    const account = nonce && svm.getAccount(address(nonce.account));
    if (!account?.exists || account.data.length !== NONCE_BYTES) return;
    const data = new Uint8Array(account.data);
    data.set(
      createHash("sha256")
        .update("DURABLE_NONCE")
        .update(Uint8Array.from(getBase58Encoder().encode(message.lifetimeToken)))
        .digest(),
      NONCE_VALUE,
    );
    svm.setAccount({ ...account, data });
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
    isAlive: (hash: string): boolean => clock.slotOf(hash) !== null,
    record: (signature: string): TransactionRecord | undefined =>
      state.records.find((record) => record.signature === signature),
    /** newest first */
    recordsOf: (key: string): TransactionRecord[] =>
      state.records.filter((record) => record.keys.includes(key)).reverse(),
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
      const before = { [to]: read(svm, to) };
      const [balance = "0", owner = SYSTEM, data = "", executable = false] = before[to] ?? [];
      write(svm, to, [String(BigInt(balance) + amount), owner, data, executable]);
      const signature = base58(new Uint8Array(randomBytes(64)));
      keep({
        signature,
        slot: clock.slot(),
        err: null,
        wire: "",
        keys: [to],
        memo: null,
        logs: [],
        fee: 0,
        units: 0,
        time: seconds(),
        before,
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
          write(svm, key, account);
          state.accounts[key] = account;
        }
      }
      state.forks.push({ slot: slot + 1, salt: randomBytes(8).toString("hex") });
      save();
    },
    close: save,
  };
}

const SYSTEM = "11111111111111111111111111111111";
const seconds = () => Math.floor(Date.now() / 1000);

const newState = (): ChainState => ({
  version: 1,
  genesis: base58(new Uint8Array(randomBytes(32))),
  slot: 1,
  timeMs: Date.now(),
  forks: [],
  accounts: {},
  records: [],
});

function read(svm: LiteSVM, key: string): StoredAccount {
  const account = svm.getAccount(key as Address);
  if (!account.exists) return null;
  return [String(account.lamports), account.programAddress, base64(new Uint8Array(account.data)), account.executable];
}

function write(svm: LiteSVM, key: string, account: StoredAccount): void {
  const [amount, owner, encoded, executable] = account ?? ["0", SYSTEM, "", false]; // an account of 0 lamports is none
  const data = Uint8Array.from(getBase64Encoder().encode(encoded));
  const next: EncodedAccount = {
    address: address(key),
    lamports: lamports(BigInt(amount)),
    programAddress: address(owner),
    executable,
    space: BigInt(data.length),
    data,
  };
  svm.setAccount(next);
}
