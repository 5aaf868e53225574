import {
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  type Instruction,
  type KeyPairSigner,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransaction,
} from "@solana/kit";
import { getAdvanceNonceAccountInstruction } from "@solana-program/system";
import { z } from "zod";
import type { Attempt, FrozenPlan } from "../../../chain/port.ts";
import { deriveMarker } from "../../../chain/solana/markers.ts";
import { NONCE_SPACE, nonceAddress, nonceInstructions } from "../../../chain/solana/nonce.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import type { CellSettings, Fault } from "./crash-cells.ts";
import type { CrashingOptions } from "./crash-port.ts";
import { ask, post } from "./processes.ts";
import { eventually } from "./world.ts";

const statuses = z.object({
  value: z.tuple([z.object({ slot: z.number(), confirmationStatus: z.string() }).nullable()]),
});
const blockhash = z.object({ value: z.object({ blockhash: z.string(), lastValidBlockHeight: z.number() }) });

/** Faults that an endpoint has from the beginning. */
export const STANDING_FAULTS: Partial<Record<Fault, object>> = {
  "lying ack": { dropSend: 1 },
  "timeout after accept": { acceptThenTimeout: 1 },
  "status hidden 200 times": { hideSignatures: 200 },
  "first attempt fails on chain": { failOnChain: 1 },
  "history pruned": { pruned: true },
  "replica 12 slots behind": { lag: 12 },
};

/** Faults that strike at a moment of the submission, each once in the life of a worker. */
export function strikes({ cell, signer, say, id }: CrashingOptions) {
  let struck = false;
  let forked = false;
  const statusOf = async (attempt: Attempt) =>
    statuses.parse(await ask(cell.honestUrl, "getSignatureStatuses", [attempt.id], { searchTransactionHistory: true }))
      .value[0];
  const isConfirmed = async (attempt: Attempt): Promise<boolean> =>
    ["confirmed", "finalized"].includes((await statusOf(attempt))?.confirmationStatus ?? "");

  async function beforeSending(plan: FrozenPlan): Promise<void> {
    if (struck) return;
    struck = true;
    if (cell.fault === "three 503s") await post(`${cell.rpcUrl}/dev/faults`, { error5xx: 3 });
    if (cell.fault === "nonce advanced by another party") await advanceNonce(cell, signer);
    if (cell.fault === "other content first") await submitOther(cell, signer, plan).catch(() => undefined);
  }

  /** The block with the transaction is gone a moment after it was confirmed. */
  async function afterSending(attempt: Attempt): Promise<void> {
    if (cell.fault !== "fork after confirmed" || forked) return;
    await eventually(async () => {
      if (!(await isConfirmed(attempt))) throw new Error(`${id}: not confirmed yet`);
    });
    const status = await statusOf(attempt);
    if (status?.confirmationStatus !== "confirmed") return;
    await post(`${cell.honestUrl}/dev/rollback`, { slot: status.slot - 1 });
    forked = true;
    say(`forked ${id}`);
  }

  return { beforeSending, afterSending, isConfirmed };
}

async function advanceNonce(cell: CellSettings, signer: KeyPairSigner): Promise<void> {
  const nonceAccount = address((await nonceOfCell(cell, signer.address))!);
  const nonceAuthority = createNoopSigner(signer.address);
  await send(cell.honestUrl, signer, [getAdvanceNonceAccountInstruction({ nonceAccount, nonceAuthority })]);
}

/** The same key submits something else for the same checkpoint. */
async function submitOther(cell: CellSettings, signer: KeyPairSigner, plan: FrozenPlan): Promise<void> {
  const other = createSolanaChain({ rpcUrl: cell.honestUrl, signer });
  const content = await deriveMarker(plan.base, "content", "other content", plan.key.address);
  await other.broadcast(await other.sign({ ...plan, content, payload: { kind: "memo", text: "other content" } }, 1));
}

export async function send(url: string, signer: KeyPairSigner, instructions: Instruction[]): Promise<void> {
  const { value } = blockhash.parse(await ask(url, "getLatestBlockhash", { commitment: "confirmed" }));
  const message = setTransactionMessageLifetimeUsingBlockhash(
    {
      blockhash: value.blockhash as Blockhash,
      lastValidBlockHeight: BigInt(value.lastValidBlockHeight),
    },
    setTransactionMessageFeePayer(signer.address, createTransactionMessage({ version: 0 })),
  );
  const compiled = compileTransaction(appendTransactionMessageInstructions(instructions, message));
  const signed = await signTransaction([signer.keyPair], compiled);
  await ask(url, "sendTransaction", getBase64EncodedWireTransaction(signed), {
    encoding: "base64",
    preflightCommitment: "confirmed",
  });
}

/** Cells of the nonce fault live by a nonce account of the signer's. */
export const nonceOfCell = async (cell: CellSettings, base: string): Promise<string | undefined> =>
  cell.fault === "nonce advanced by another party" ? nonceAddress(base) : undefined;

/** Makes that account, on the cell's own chain. */
export async function prepareNonce(cell: CellSettings, signer: KeyPairSigner): Promise<void> {
  const at = await nonceOfCell(cell, signer.address);
  if (at === undefined) return;
  const rent = z.number().parse(await ask(cell.honestUrl, "getMinimumBalanceForRentExemption", Number(NONCE_SPACE)));
  await send(cell.honestUrl, signer, nonceInstructions(signer.address, at, BigInt(rent)));
}
