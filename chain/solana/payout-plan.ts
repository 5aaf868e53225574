import type { FrozenPlan, Payload, PayoutPlan, Token, TokenTransfer, Transfer } from "../port.ts";
import { deriveMarker } from "./markers.ts";
import { MAX_TRANSACTION_BYTES, planBytes, type Unhashed } from "./message.ts";
import { type Cluster, hashed } from "./plan.ts";
import type { Rpc } from "./rpc.ts";
import { readToken, tokenAccountOf, usableUnits } from "./token.ts";

type Reads = Pick<Rpc, "accounts" | "rent">;
type Numbered = (part: number, of: readonly Transfer[]) => Promise<Unhashed>;

/**
 * Transfers in order, packed by measured size: a batch grows until one more transfer would not fit a transaction. One marker a batch,
 * the part number in its seed, so that each batch is paid once whatever is retried. A transfer that the chain would refuse today
 * comes last, in a batch of its own: it holds up nobody else. Throws ChainError for a mint that cannot be paid out.
 */
export async function freezePayouts(rpc: Reads, cluster: Cluster, plan: PayoutPlan): Promise<FrozenPlan[]> {
  if (plan.transfers.length === 0) return [];
  const token = plan.mint === null ? null : await readToken(rpc, plan.mint, cluster.base);
  const transfers = token === null ? [...plan.transfers] : await toAccounts(token, plan.transfers);
  const refused = await refusedToday(rpc, token, transfers);
  const sure = transfers.filter((transfer) => !refused.has(transfer));
  const numbered: Numbered = async (part, of) => ({
    ...{ part, genesis: cluster.genesis, base: cluster.base },
    key: await deriveMarker(cluster.base, "key", plan.crunch, plan.checkpoint, String(part)),
    payload: payloadOf(token, of),
  });
  const batches = await pack(sure, numbered, cluster.nonceAccount);
  for (const transfer of refused) batches.push(await numbered(batches.length + 1, [transfer]));
  return batches.map(hashed);
}

async function pack(
  transfers: readonly Transfer[],
  numbered: (part: number, of: readonly Transfer[]) => Promise<Unhashed>,
  nonceAccount: string | null,
): Promise<Unhashed[]> {
  const bytes = async (of: readonly Transfer[]) => planBytes(await numbered(batches.length + 1, of), nonceAccount);
  const batches: Unhashed[] = [];
  let open: Transfer[] = [];
  for (const transfer of transfers) {
    const larger = [...open, transfer];
    if (open.length > 0 && (await bytes(larger)) > MAX_TRANSACTION_BYTES) {
      batches.push(await numbered(batches.length + 1, open));
      open = [transfer];
    } else {
      open = larger;
    }
  }
  if (open.length > 0) batches.push(await numbered(batches.length + 1, open));
  return batches;
}

const payloadOf = (token: Token | null, transfers: readonly Transfer[]): Payload =>
  token === null
    ? { kind: "transfers", transfers: [...transfers] }
    : { kind: "tokenTransfers", token, transfers: transfers as TokenTransfer[] };

const toAccounts = (token: Token, transfers: readonly Transfer[]): Promise<TokenTransfer[]> =>
  Promise.all(transfers.map(async ({ to, amount }) => ({ to, amount, account: await tokenAccountOf(token.mint, to) })));

/** SOL: a wallet that would stay below the least balance of an account. Token: a token account that is frozen or another's. */
async function refusedToday(
  rpc: Reads,
  token: Token | null,
  transfers: readonly Transfer[],
): Promise<ReadonlySet<Transfer>> {
  const accounts = await rpc.accounts(transfers.map((t) => (token ? (t as TokenTransfer).account : t.to)));
  const least = await rpc.rent(0n);
  const refuses = ({ to, amount }: Transfer, i: number): boolean =>
    token
      ? usableUnits(accounts[i] ?? null, token.mint, to) === "unusable"
      : (accounts[i]?.lamports ?? 0n) + BigInt(amount) < least;
  return new Set(transfers.filter(refuses));
}
