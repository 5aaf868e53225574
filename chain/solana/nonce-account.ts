import {
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import { ChainError } from "../port.ts";
import type { Signer } from "../signer.ts";
import { NONCE_SPACE, nonceAddress, nonceInstructions, nonceOf } from "./nonce.ts";
import type { Rpc } from "./rpc.ts";
import { signTransaction } from "./sign.ts";

const TRIES = 60;
/** An account may hold lamports and still be none; allocating twice fails, so that running this twice makes one account. */
const isMade = (account: { space: bigint } | null | undefined): boolean => (account?.space ?? 0n) > 0n;

/**
 * The nonce account of a key: the one that is there, or a new one, waited for until it is final (`pause` between looks). Throws ChainError
 * REFUSED where the address holds something else, UNREACHABLE where it does not become final in time (run it again).
 */
export async function createNonceAccount(
  rpc: Rpc,
  signer: Signer,
  pause: () => Promise<void>,
): Promise<{ address: string; existed: boolean }> {
  const at = await nonceAddress(signer.address);
  const look = async () => (await rpc.finalizedAccounts([at])).accounts[0];
  const before = await look();
  if (isMade(before)) {
    nonceOf(before, at, signer.address);
    return { address: at, existed: true };
  }
  await rpc.send(await creation(rpc, signer, at));
  for (let tries = 0; tries < TRIES; tries++) {
    await pause();
    const account = await look();
    if (!isMade(account)) continue;
    nonceOf(account, at, signer.address);
    return { address: at, existed: false };
  }
  throw new ChainError("UNREACHABLE", `${at} was not final in time; run the command again`);
}

async function creation(rpc: Rpc, signer: Signer, at: string): Promise<string> {
  const { blockhash, lastValidBlockHeight } = await rpc.latestBlockhash();
  const paid = setTransactionMessageFeePayer(address(signer.address), createTransactionMessage({ version: 0 }));
  const lived = setTransactionMessageLifetimeUsingBlockhash(
    { blockhash: blockhash as Blockhash, lastValidBlockHeight },
    paid,
  );
  const instructions = nonceInstructions(signer.address, at, await rpc.rent(NONCE_SPACE));
  const unsigned = compileTransaction(appendTransactionMessageInstructions(instructions, lived));
  return getBase64EncodedWireTransaction(await signTransaction(signer, unsigned));
}
