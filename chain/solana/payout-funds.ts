import type { FrozenPlan, Token, TokenTransfer } from "../port.ts";
import { MARKER_SPACE, markersOf } from "./markers.ts";
import type { Rpc } from "./rpc.ts";
import { TOKEN_ACCOUNT_SPACE, usableUnits } from "./token.ts";

type Reads = Pick<Rpc, "accounts" | "balance" | "rent">;

const FEE_PER_SIGNATURE = 5_000n;

/**
 * What `base` lacks to carry out all of these payout plans: lamports for transfers, markers, fees and token accounts that are missing, and
 * units of the token. Null where nothing lacks. Priority fees are left out: a batch that cannot pay them says so itself.
 */
export async function payoutShortfall(rpc: Reads, plans: readonly FrozenPlan[]): Promise<string | null> {
  const [first] = plans;
  if (!first) return null;
  const tokens = await neededTokens(rpc, plans);
  const needed = (await neededLamports(rpc, plans)) + tokens.newAccounts * (await rpc.rent(TOKEN_ACCOUNT_SPACE));
  const held = await rpc.balance(first.base);
  const need = plans.length === 1 ? "1 payout batch needs" : `${plans.length} payout batches need`;
  const lamports = `${need} ${needed} lamports and ${first.base} holds ${held}: ${needed - held} are missing. Send it that many.`;
  const lacking = [...(held < needed ? [lamports] : []), ...tokens.lacking.map((text) => `${need} ${text}`)];
  return lacking.length === 0 ? null : lacking.join(" ");
}

async function neededLamports(rpc: Reads, plans: readonly FrozenPlan[]): Promise<bigint> {
  const [marker, least] = [await rpc.rent(MARKER_SPACE), await rpc.rent(0n)]; // the payer, too, must stay an account
  return plans.reduce((sum, plan) => {
    const paid = plan.payload.kind === "transfers" ? total(plan.payload.transfers) : 0n;
    return sum + paid + BigInt(markersOf(plan).length) * marker + FEE_PER_SIGNATURE;
  }, least);
}

interface TokenNeeds {
  newAccounts: bigint;
  lacking: string[];
}

async function neededTokens(rpc: Reads, plans: readonly FrozenPlan[]): Promise<TokenNeeds> {
  const paid = plans.flatMap(({ base, payload }) => (payload.kind === "tokenTransfers" ? [{ base, ...payload }] : []));
  const [first] = paid;
  if (!first) return { newAccounts: 0n, lacking: [] };
  const transfers: TokenTransfer[] = paid.flatMap((payload) => payload.transfers);
  const [source, ...accounts] = await rpc.accounts([first.token.source, ...transfers.map((t) => t.account)]);
  const held = usableUnits(source ?? null, first.token.mint, first.base);
  const needed = total(transfers);
  const newAccounts = BigInt(accounts.filter((account) => account === null).length);
  if (held === "unusable")
    return { newAccounts, lacking: [`${first.token.source}, which is frozen or not of ${first.base} any more.`] };
  return { newAccounts, lacking: (held ?? 0n) >= needed ? [] : [tokenText(first.token, needed, held ?? 0n)] };
}

const tokenText = ({ mint, source, decimals }: Token, needed: bigint, held: bigint): string =>
  `${needed} units of ${mint} (${decimals} decimals) and the payer's token account ${source} holds ${held}: ${needed - held} are missing. Send it that many.`;

const total = (transfers: readonly { amount: string }[]): bigint =>
  transfers.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
