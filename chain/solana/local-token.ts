import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  address,
  appendTransactionMessageInstructions,
  compileTransaction,
  createKeyPairSignerFromPrivateKeyBytes,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  type Instruction,
  type KeyPairSigner,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransaction,
} from "@solana/kit";
import { getCreateAccountInstruction } from "@solana-program/system";
import {
  getCreateAssociatedTokenIdempotentInstruction,
  getInitializeMint2Instruction,
  getMintSize,
  getMintToInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import type { Rpc } from "./rpc.ts";
import { tokenAccountOf, usableUnits } from "./token.ts";

type Faucet = Pick<Rpc, "accounts" | "airdrop" | "balance" | "rent" | "latestBlockhash" | "send">;

/** as USDC has */
const DECIMALS = 6;
const FAUCET_LOW_LAMPORTS = 1_000_000_000n;
const FAUCET_FILL_LAMPORTS = 10_000_000_000n;
/** Whole pools that one filling holds. */
const POOLS = 100n;
const TRIES = 40;
const POLL_MS = 250;

/** Keys of a local chain follow from their names alone: anybody can derive them. Never for a real network. */
const localKey = (name: string): Promise<KeyPairSigner> =>
  createKeyPairSignerFromPrivateKeyBytes(createHash("sha256").update(`almanac-local:${name}`).digest());

/** The mint of the token that local chains have: one address on all of them. */
export const localMint = async (): Promise<string> => (await localKey("mint")).address;

/**
 * Mints units to the payer's token account where it holds less than `units`, and makes mint and account where they are missing. Safe to run
 * again and side by side: of two that make the mint one is refused. Waits until the account is confirmed.
 */
export async function fillLocalToken(rpc: Faucet, payer: string, units: bigint): Promise<void> {
  const [faucet, mint] = [await localKey("faucet"), await localKey("mint")];
  const ata = address(await tokenAccountOf(mint.address, payer));
  const [mintAccount, payerAccount] = await rpc.accounts([mint.address, ata]);
  const held = usableUnits(payerAccount ?? null, mint.address, payer);
  if (held === "unusable" || (held ?? 0n) >= units) return;
  if ((await rpc.balance(faucet.address)) < FAUCET_LOW_LAMPORTS)
    await rpc.airdrop(faucet.address, FAUCET_FILL_LAMPORTS);
  const owner = address(payer);
  const fill = [
    getCreateAssociatedTokenIdempotentInstruction({ payer: faucet, ata, owner, mint: mint.address }),
    getMintToInstruction({ mint: mint.address, token: ata, mintAuthority: faucet, amount: units * POOLS }),
  ];
  const make = mintAccount ? [] : await mintInstructions(rpc, faucet, mint);
  const wire = await signed(rpc, faucet, mintAccount ? [] : [mint], [...make, ...fill]);
  await rpc.send(wire).catch(() => undefined); // refused where another one was faster; what lacks still is told by who needs it
  for (let tries = 0; tries < TRIES && !(await rpc.accounts([ata]))[0]; tries++) await sleep(POLL_MS);
}

async function mintInstructions(rpc: Faucet, faucet: KeyPairSigner, mint: KeyPairSigner): Promise<Instruction[]> {
  const space = BigInt(getMintSize());
  return [
    getCreateAccountInstruction({
      ...{ payer: faucet, newAccount: mint, lamports: await rpc.rent(space), space },
      programAddress: TOKEN_PROGRAM_ADDRESS,
    }),
    getInitializeMint2Instruction({ mint: mint.address, decimals: DECIMALS, mintAuthority: faucet.address }),
  ];
}

async function signed(
  rpc: Faucet,
  payer: KeyPairSigner,
  others: readonly KeyPairSigner[],
  instructions: readonly Instruction[],
): Promise<string> {
  const paid = setTransactionMessageFeePayer(payer.address, createTransactionMessage({ version: 0 }));
  const lived = setTransactionMessageLifetimeUsingBlockhash((await rpc.latestBlockhash()) as never, paid);
  const transaction = compileTransaction(appendTransactionMessageInstructions(instructions, lived));
  return getBase64EncodedWireTransaction(
    await signTransaction(
      [payer, ...others].map((key) => key.keyPair),
      transaction,
    ),
  );
}
