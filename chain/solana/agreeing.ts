import { ChainError } from "../port.ts";
import type { Account } from "./answers.ts";
import type { Rpc } from "./rpc.ts";

/**
 * Two endpoints as one: what decides (markers, nonce, the age of a blockhash) is read at both. Where they differ it throws ChainError
 * DISAGREEMENT, and nobody acts; where one does not answer, nobody acts either. Everything else is asked of the first.
 */
export function agreeing(first: Rpc, second: Rpc): Rpc {
  const both = <T>(ask: (rpc: Rpc) => Promise<T>): Promise<[T, T]> => Promise.all([ask(first), ask(second)]);
  return {
    ...first,
    genesis: async () => {
      const [one, other] = await both((rpc) => rpc.genesis());
      if (one === other) return one;
      throw new ChainError(
        "WRONG_GENESIS",
        `SOLANA_RPC_URL leads to the cluster ${one}, SOLANA_RPC_URL_2 to ${other}.`,
      );
    },
    finalizedHeight: async () => {
      const [one, other] = await both((rpc) => rpc.finalizedHeight());
      return lesser(one, other);
    },
    finalizedAccounts: async (addresses, since) => {
      const [one, other] = await both((rpc) => rpc.finalizedAccounts(addresses, since));
      const i = addresses.findIndex((_, at) => shown(one.accounts[at]) !== shown(other.accounts[at]));
      if (i >= 0)
        throw new ChainError(
          "DISAGREEMENT",
          `SOLANA_RPC_URL and SOLANA_RPC_URL_2 differ on the account ${addresses[i]} at finalized slots ${one.slot} and ${other.slot}`,
        );
      return { slot: lesser(one.slot, other.slot), accounts: one.accounts };
    },
    status: async (id) => {
      const [one, other] = await both((rpc) => rpc.status(id));
      return one ?? other;
    },
    send: async (wire) => {
      const sent = await Promise.allSettled([first.send(wire), second.send(wire)]);
      if (sent.every((s) => s.status === "rejected")) throw sent[0].status === "rejected" && sent[0].reason;
    },
  };
}

// Lamports are left out: anybody may send some to an address at any time.
const shown = (account: Account | null | undefined): string =>
  account ? `${account.owner} ${Buffer.from(account.data).toString("base64")}` : "";

function lesser(one: bigint, other: bigint): bigint {
  if (one < other) return one;
  return other;
}
