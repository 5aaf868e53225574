import { type Address, address, createNoopSigner, type Instruction } from "@solana/kit";
import {
  AccountState,
  decodeMint,
  decodeToken,
  findAssociatedTokenPda,
  getCreateAssociatedTokenIdempotentInstruction,
  getTransferCheckedInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import { ChainError, type Token, type TokenTransfer } from "../port.ts";
import type { Account, Rpc } from "./rpc.ts";

/** bytes of a token account: what one costs in rent */
export const TOKEN_ACCOUNT_SPACE = 165n;
const MINT_SPACE = 82;

/** The one token account of a wallet that everybody can derive. The wallet may be off the curve, as the vault of a multisig is. */
export async function tokenAccountOf(mint: string, wallet: string): Promise<string> {
  const seeds = { mint: address(mint), owner: address(wallet), tokenProgram: TOKEN_PROGRAM_ADDRESS };
  return (await findAssociatedTokenPda(seeds))[0];
}

/**
 * The token behind a mint. Throws ChainError REFUSED for anything but a mint of the SPL Token program: what one of Token-2022 sends may
 * arrive smaller (transfer fees) or be taken back.
 */
export async function readToken(rpc: Pick<Rpc, "accounts">, mint: string, payer: string): Promise<Token> {
  const [account] = await rpc.accounts([mint]);
  const refused = (why: string) =>
    new ChainError("REFUSED", `PAYOUT_MINT ${mint} ${why}. Name a mint of the SPL Token program on this cluster.`);
  if (!account) throw refused("is no account");
  if (account.owner !== TOKEN_PROGRAM_ADDRESS) throw refused(`belongs to the program ${account.owner}`);
  if (account.data.length !== MINT_SPACE) throw refused("is no mint");
  const { decimals, isInitialized } = decodeMint(encoded(mint, account)).data;
  if (!isInitialized) throw refused("is not initialised");
  return { mint, decimals, source: await tokenAccountOf(mint, payer) };
}

/** Units in a token account that its wallet can receive into; null where there is none, "unusable" where it is frozen or another's. */
export function usableUnits(account: Account | null, mint: string, wallet: string): bigint | null | "unusable" {
  if (!account || account.owner !== TOKEN_PROGRAM_ADDRESS) return account && account.space > 0n ? "unusable" : null;
  if (account.space !== TOKEN_ACCOUNT_SPACE) return "unusable";
  const { data } = decodeToken(encoded(wallet, account));
  const ours = data.mint === mint && data.owner === wallet && data.state === AccountState.Initialized;
  return ours ? data.amount : "unusable";
}

/** Each transfer makes the token account where it is missing: between freezing and paying it may also have been closed. */
export function tokenTransferInstructions(
  base: string,
  { mint, decimals, source }: Token,
  transfers: readonly TokenTransfer[],
): Instruction[] {
  const payer = createNoopSigner(address(base));
  return transfers.flatMap(({ to, account, amount }) => [
    getCreateAssociatedTokenIdempotentInstruction({
      ...{ payer, ata: address(account), owner: address(to), mint: address(mint) },
    }),
    getTransferCheckedInstruction({
      ...{ source: address(source), mint: address(mint), destination: address(account), authority: payer },
      ...{ amount: BigInt(amount), decimals },
    }),
  ]);
}

const encoded = (of: string, { owner, lamports, space, data }: Account) => ({
  ...{ address: address(of), data, executable: false, lamports: lamports as never, space },
  programAddress: owner as Address,
});
