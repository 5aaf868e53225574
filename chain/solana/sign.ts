import {
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  type KeyPairSigner,
  signTransaction,
} from "@solana/kit";
import { z } from "zod";
import { type Attempt, ChainError, type FrozenPlan } from "../port.ts";
import { MARKER_SPACE } from "./markers.ts";
import { compilePlan, isMarkerAllocation, MAX_COMPUTE_UNITS, type Terms } from "./message.ts";
import { errorText } from "./observe.ts";
import type { Rpc } from "./rpc.ts";

const COMPUTE_MARGIN = 1.2;
const LOG_LINES = 4;

/** Attempt `n` of a plan: simulated without a signature, then signed with a compute limit from the simulation. Sends nothing. */
export async function signPlan(rpc: Rpc, signer: KeyPairSigner, plan: FrozenPlan, n: number): Promise<Attempt> {
  if (signer.address !== plan.base)
    throw new ChainError(
      "KEY_MISMATCH",
      `The plan was frozen for key ${plan.base}, the key file holds ${signer.address}. Restore that key file.`,
    );
  const lifetime = await rpc.latestBlockhash();
  const terms: Terms = { ...lifetime, rent: await rpc.rent(MARKER_SPACE), computeUnits: MAX_COMPUTE_UNITS };
  const computeUnits = await neededUnits(rpc, plan, terms);
  const signed = await signTransaction([signer.keyPair], compilePlan(plan, { ...terms, computeUnits }));
  return {
    n,
    lifetime: { blockhash: lifetime.blockhash, lastValidBlockHeight: String(lifetime.lastValidBlockHeight) },
    wire: getBase64EncodedWireTransaction(signed),
    id: getSignatureFromTransaction(signed),
  };
}

async function neededUnits(rpc: Rpc, plan: FrozenPlan, terms: Terms): Promise<number> {
  const { err, logs, unitsConsumed } = await rpc.simulate(getBase64EncodedWireTransaction(compilePlan(plan, terms)));
  if (err !== null) throw refusal(plan, err, logs ?? []);
  return Math.min(MAX_COMPUTE_UNITS, Math.ceil(Number(unitsConsumed ?? MAX_COMPUTE_UNITS) * COMPUTE_MARGIN));
}

const custom = z.object({ InstructionError: z.tuple([z.coerce.number(), z.object({ Custom: z.coerce.number() })]) });
// System program: 0 account already in use, 1 result with negative lamports.
const ALREADY_IN_USE = 0;
const NEGATIVE_LAMPORTS = 1;
const NO_FUNDS = /AccountNotFound|InsufficientFunds/;

function refusal(plan: FrozenPlan, err: unknown, logs: readonly string[]): ChainError {
  const text = errorText(err);
  const program = custom.safeParse(err);
  const [instruction, { Custom: code }] = program.success ? program.data.InstructionError : [-1, { Custom: -1 }];
  if (code === ALREADY_IN_USE && isMarkerAllocation(plan, instruction))
    return new ChainError("MARKER_TAKEN", "a marker of this plan is there already, not final yet");
  if (code === NEGATIVE_LAMPORTS || NO_FUNDS.test(text))
    return new ChainError("NO_FUNDS", `${plan.base} cannot pay for this (${text}). Send it funds, then retry.`);
  if (text === '"BlockhashNotFound"')
    return new ChainError("UNREACHABLE", "the node does not know the blockhash it has just given");
  return new ChainError("REFUSED", `simulation refused: ${text}; ${logs.slice(-LOG_LINES).join(" | ")}`);
}
