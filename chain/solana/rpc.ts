import { address, type Base64EncodedWireTransaction, createSolanaRpcFromTransport, type Signature } from "@solana/kit";
import type { z } from "zod";
import { ChainError } from "../port.ts";
import { type AccountInfo, answers, type Status } from "./answers.ts";
import { createTransport } from "./transport.ts";

export type { Account } from "./answers.ts";
export type Rpc = ReturnType<typeof createRpc>;

/** what one getMultipleAccounts may ask for */
const MAX_ACCOUNTS = 100;

/**
 * The few calls of Solana's JSON-RPC that the adapter makes: each with a deadline, each answer parsed before it is believed.
 * Every failure is ChainError UNREACHABLE, except that `send` passes the cluster's own words on.
 */
export function createRpc(url: string, timeoutMs: number) {
  const rpc = createSolanaRpcFromTransport(createTransport(url));
  const options = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
  const ask = async <T>(
    name: string,
    shape: z.ZodType<T>,
    request: { send(o: { abortSignal: AbortSignal }): Promise<unknown> },
  ): Promise<T> => {
    const answer = await request.send(options()).catch((cause: unknown) => {
      const retryAfterMs = cause instanceof ChainError ? cause.retryAfterMs : undefined;
      throw new ChainError("UNREACHABLE", `${name}: ${messageOf(cause)}`, cause, retryAfterMs);
    });
    const parsed = shape.safeParse(answer);
    if (!parsed.success) throw new ChainError("UNREACHABLE", `${name}: an answer of another shape`, parsed.error);
    return parsed.data;
  };
  const seen = { confirmed: 0n, finalized: 0n };
  /** A replica that lags behind what was already read must not answer from the past. */
  const at = <C extends "confirmed" | "finalized">(commitment: C, since = 0n) => ({
    commitment,
    minContextSlot: since > seen[commitment] ? since : seen[commitment],
  });
  const noted = <T extends { context: { slot: bigint } }>(commitment: "confirmed" | "finalized", answer: T): T => {
    if (answer.context.slot > seen[commitment]) seen[commitment] = answer.context.slot;
    return answer;
  };
  const accountsAt = async (addresses: readonly string[], commitment: "confirmed" | "finalized", since?: bigint) => {
    const request = rpc.getMultipleAccounts(
      addresses.map((a) => address(a)),
      {
        ...at(commitment, since),
        encoding: "base64",
      },
    );
    const answer = noted(commitment, await ask("getMultipleAccounts", answers.accounts, request));
    if (answer.value.length !== addresses.length)
      throw new ChainError("UNREACHABLE", "getMultipleAccounts: not one answer per address");
    return { slot: answer.context.slot, accounts: answer.value };
  };
  return {
    genesis: () => ask("getGenesisHash", answers.hash, rpc.getGenesisHash()),
    finalizedHeight: () => ask("getBlockHeight", answers.bigint, rpc.getBlockHeight({ commitment: "finalized" })),
    rent: (space: bigint) =>
      ask("getMinimumBalanceForRentExemption", answers.bigint, rpc.getMinimumBalanceForRentExemption(space)),
    balance: async (of: string, commitment: "confirmed" | "finalized" = "confirmed") =>
      (await ask("getBalance", answers.balance, rpc.getBalance(address(of), { commitment }))).value,
    latestBlockhash: async () => {
      const request = rpc.getLatestBlockhash(at("confirmed"));
      return noted("confirmed", await ask("getLatestBlockhash", answers.blockhash, request)).value;
    },
    /** Up to 100 accounts as finalized, not from before `since` nor from before what was read already. */
    finalizedAccounts: (addresses: readonly string[], since = 0n): Promise<{ slot: bigint; accounts: AccountInfo[] }> =>
      accountsAt(addresses, "finalized", since),
    /** Any number of accounts as confirmed, in order; null where there is none. */
    async accounts(addresses: readonly string[]): Promise<AccountInfo[]> {
      const found: AccountInfo[] = [];
      while (found.length < addresses.length)
        found.push(
          ...(await accountsAt(addresses.slice(found.length, found.length + MAX_ACCOUNTS), "confirmed")).accounts,
        );
      return found;
    },
    status: async (id: string): Promise<Status | null> => {
      const request = rpc.getSignatureStatuses([id as Signature], { searchTransactionHistory: true });
      return (await ask("getSignatureStatuses", answers.statuses, request)).value[0] ?? null;
    },
    simulate: async (wire: string) => {
      const config = { ...at("confirmed"), encoding: "base64", sigVerify: false } as const;
      const request = rpc.simulateTransaction(wire as Base64EncodedWireTransaction, config);
      return noted("confirmed", await ask("simulateTransaction", answers.simulation, request)).value;
    },
    /** Micro-lamports a compute unit that recent transactions paid which wrote these accounts. */
    recentFees: async (of: readonly string[]): Promise<bigint[]> => {
      const request = rpc.getRecentPrioritizationFees(of.map((a) => address(a)));
      return (await ask("getRecentPrioritizationFees", answers.fees, request)).map((fee) => fee.prioritizationFee);
    },
    signaturesFor: (of: string) =>
      ask(
        "getSignaturesForAddress",
        answers.signatures,
        rpc.getSignaturesForAddress(address(of), { commitment: "finalized", limit: 100 }),
      ),
    transaction: async (id: string) => {
      const config = { commitment: "finalized", encoding: "base64", maxSupportedTransactionVersion: 0 } as const;
      const request = rpc.getTransaction(id as Signature, config);
      return (await ask("getTransaction", answers.transaction, request))?.transaction[0] ?? null;
    },
    /** We are the retry loop: no preflight, no retries of the node's own. */
    send: async (wire: string): Promise<void> => {
      const config = { encoding: "base64", skipPreflight: true, maxRetries: 0n } as const;
      await rpc.sendTransaction(wire as Base64EncodedWireTransaction, config).send(options());
    },
    airdrop: async (to: string, amount: bigint): Promise<void> => {
      const request = rpc.requestAirdrop(address(to), amount as never, { commitment: "confirmed" });
      await ask("requestAirdrop", answers.signature, request);
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
