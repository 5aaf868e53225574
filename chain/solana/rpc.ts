import { address, type Base64EncodedWireTransaction, createSolanaRpc, type Signature } from "@solana/kit";
import { z } from "zod";
import { ChainError } from "../port.ts";

const account = z.object({ owner: z.string(), space: z.bigint(), lamports: z.bigint() }).nullable();
const context = z.object({ slot: z.bigint() });
const transactionError = z.unknown().transform((err) => (err === undefined ? null : err));
const schema = {
  text: z.string().min(32).max(64),
  bigint: z.bigint().nonnegative(),
  accounts: z.object({ context, value: z.array(account) }),
  blockhash: z.object({ value: z.object({ blockhash: z.string().min(32).max(44), lastValidBlockHeight: z.bigint() }) }),
  balance: z.object({ value: z.bigint() }),
  statuses: z.object({
    value: z.array(
      z
        .object({ err: transactionError, confirmationStatus: z.enum(["processed", "confirmed", "finalized"]) })
        .nullable(),
    ),
  }),
  simulation: z.object({
    value: z.object({
      err: transactionError,
      logs: z.array(z.string()).nullable(),
      unitsConsumed: z.bigint().optional(),
    }),
  }),
  signatures: z.array(z.object({ signature: z.string(), err: transactionError })),
  transaction: z.object({ transaction: z.tuple([z.string(), z.literal("base64")]) }).nullable(),
};

export type Rpc = ReturnType<typeof createRpc>;
type AccountInfo = z.output<typeof account>;

/**
 * The few calls of Solana's JSON-RPC that the adapter makes: each with a deadline, each answer parsed before it is believed.
 * Every failure is ChainError UNREACHABLE, except that `send` passes the cluster's own words on.
 */
export function createRpc(url: string, timeoutMs: number) {
  const rpc = createSolanaRpc(url);
  const options = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
  const ask = async <T>(
    name: string,
    shape: z.ZodType<T>,
    request: { send(o: { abortSignal: AbortSignal }): Promise<unknown> },
  ): Promise<T> => {
    const answer = await request.send(options()).catch((cause: unknown) => {
      throw new ChainError("UNREACHABLE", `${name}: ${messageOf(cause)}`, cause);
    });
    const parsed = shape.safeParse(answer);
    if (!parsed.success)
      throw new ChainError("UNREACHABLE", `${name}: an answer of another shape: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  };
  // A replica that lags behind what was already read must not answer "absent" from the past.
  let greatestSlot = 0n;
  return {
    genesis: () => ask("getGenesisHash", schema.text, rpc.getGenesisHash()),
    finalizedHeight: () => ask("getBlockHeight", schema.bigint, rpc.getBlockHeight({ commitment: "finalized" })),
    rent: (space: bigint) =>
      ask("getMinimumBalanceForRentExemption", schema.bigint, rpc.getMinimumBalanceForRentExemption(space)),
    balance: async (of: string, commitment: "confirmed" | "finalized" = "confirmed") =>
      (await ask("getBalance", schema.balance, rpc.getBalance(address(of), { commitment }))).value,
    latestBlockhash: async () =>
      (await ask("getLatestBlockhash", schema.blockhash, rpc.getLatestBlockhash({ commitment: "confirmed" }))).value,
    async finalizedAccounts(addresses: readonly string[]): Promise<{ slot: bigint; accounts: AccountInfo[] }> {
      const config = { commitment: "finalized", encoding: "base64", minContextSlot: greatestSlot } as const;
      const answer = await ask(
        "getMultipleAccounts",
        schema.accounts,
        rpc.getMultipleAccounts(
          addresses.map((a) => address(a)),
          config,
        ),
      );
      if (answer.value.length !== addresses.length)
        throw new ChainError("UNREACHABLE", "getMultipleAccounts: not one answer per address");
      if (answer.context.slot > greatestSlot) greatestSlot = answer.context.slot;
      return { slot: answer.context.slot, accounts: answer.value };
    },
    status: async (id: string) =>
      (
        await ask(
          "getSignatureStatuses",
          schema.statuses,
          rpc.getSignatureStatuses([id as Signature], { searchTransactionHistory: true }),
        )
      ).value[0] ?? null,
    simulate: async (wire: string) => {
      const config = { encoding: "base64", sigVerify: false, commitment: "confirmed" } as const;
      return (
        await ask(
          "simulateTransaction",
          schema.simulation,
          rpc.simulateTransaction(wire as Base64EncodedWireTransaction, config),
        )
      ).value;
    },
    signaturesFor: (of: string) =>
      ask(
        "getSignaturesForAddress",
        schema.signatures,
        rpc.getSignaturesForAddress(address(of), { commitment: "finalized", limit: 100 }),
      ),
    transaction: async (id: string) => {
      const config = { commitment: "finalized", encoding: "base64", maxSupportedTransactionVersion: 0 } as const;
      return (
        (await ask("getTransaction", schema.transaction, rpc.getTransaction(id as Signature, config)))
          ?.transaction[0] ?? null
      );
    },
    /** We are the retry loop: no preflight, no retries of the node's own. */
    send: async (wire: string): Promise<void> => {
      const config = { encoding: "base64", skipPreflight: true, maxRetries: 0n } as const;
      await rpc.sendTransaction(wire as Base64EncodedWireTransaction, config).send(options());
    },
    airdrop: async (to: string, amount: bigint): Promise<void> => {
      await ask(
        "requestAirdrop",
        schema.text.or(z.string()),
        rpc.requestAirdrop(address(to), amount as never, { commitment: "confirmed" }),
      );
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
