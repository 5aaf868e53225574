import { address, createAddressWithSeed, createNoopSigner, type Instruction } from "@solana/kit";
import {
  getAllocateWithSeedInstruction,
  getInitializeNonceAccountInstruction,
  getNonceDecoder,
  getNonceSize,
  getTransferSolInstruction,
  NonceState,
  SYSTEM_PROGRAM_ADDRESS,
} from "@solana-program/system";
import { ChainError } from "../port.ts";
import type { Account } from "./answers.ts";

const SEED = "almanac-nonce";
export const NONCE_SPACE = BigInt(getNonceSize());

/** The value that transactions of `authority` may live by. Throws ChainError REFUSED for an account that is no nonce of this key. */
export function nonceOf(account: Account | null | undefined, at: string, authority: string): string {
  const refused = (why: string) =>
    new ChainError("REFUSED", `SOLANA_NONCE_ACCOUNT ${at} ${why}. Make one: almanac chain nonce-create`);
  if (!account) throw refused("does not exist on this cluster");
  if (account.owner !== SYSTEM_PROGRAM_ADDRESS || account.space !== NONCE_SPACE) throw refused("is no nonce account");
  const nonce = getNonceDecoder().decode(account.data);
  if (nonce.state !== NonceState.Initialized) throw refused("is not initialised");
  if (nonce.authority !== authority) throw refused(`obeys ${nonce.authority}, the node signs as ${authority}`);
  return nonce.blockhash;
}

/** Where the nonce account of a key is made: derived from the key, so that no second key has to be kept. */
export const nonceAddress = (base: string): Promise<string> =>
  createAddressWithSeed({ baseAddress: address(base), seed: SEED, programAddress: SYSTEM_PROGRAM_ADDRESS });

/** Transfer, allocate, initialise: lamports that somebody sent to the address before do not matter. */
export function nonceInstructions(base: string, at: string, rent: bigint): Instruction[] {
  const payer = createNoopSigner(address(base));
  const nonceAccount = address(at);
  return [
    getTransferSolInstruction({ source: payer, destination: nonceAccount, amount: rent }),
    getAllocateWithSeedInstruction({
      ...{ newAccount: nonceAccount, baseAccount: payer, base: payer.address, seed: SEED, space: NONCE_SPACE },
      programAddress: SYSTEM_PROGRAM_ADDRESS,
    }),
    getInitializeNonceAccountInstruction({ nonceAccount, nonceAuthority: payer.address }),
  ];
}
