import { getCompiledTransactionMessageDecoder } from "@solana/kit";
import { z } from "zod";
import { ChainError, type FrozenPlan } from "../port.ts";
import { compilePlan, isMarkerAllocation, type Terms } from "./message.ts";
import { errorText } from "./observe.ts";

const custom = z.object({ InstructionError: z.tuple([z.coerce.number(), z.object({ Custom: z.coerce.number() })]) });
// System program: 0 account already in use, 1 result with negative lamports.
const ALREADY_IN_USE = 0;
const NEGATIVE_LAMPORTS = 1;
const NO_FUNDS = /AccountNotFound|InsufficientFunds/;
const LOG_LINES = 4;
const tooLittle = z.object({ InsufficientFundsForRent: z.object({ account_index: z.coerce.number() }) });
const PAYER = 0;

/** What it means that the cluster refused to simulate a plan on these terms. */
export function refusal(plan: FrozenPlan, terms: Terms, err: unknown, logs: readonly string[]): ChainError {
  const text = errorText(err);
  const program = custom.safeParse(err);
  const [instruction, { Custom: code }] = program.success ? program.data.InstructionError : [-1, { Custom: -1 }];
  if (code === ALREADY_IN_USE && isMarkerAllocation(plan, terms, instruction))
    return new ChainError("MARKER_TAKEN", "a marker of this plan is there already, not final yet");
  const poor = tooLittle.safeParse(err).data?.InsufficientFundsForRent.account_index ?? PAYER;
  if (poor !== PAYER)
    return new ChainError(
      "REFUSED",
      `${accountOf(plan, terms, poor)} would hold less than the least balance of an account. It is paid as soon as it holds more.`,
    );
  if (code === NEGATIVE_LAMPORTS || NO_FUNDS.test(text))
    return new ChainError("NO_FUNDS", `${plan.base} cannot pay for this (${text}). Send it funds, then retry.`);
  if (text !== '"BlockhashNotFound"')
    return new ChainError("REFUSED", `simulation refused: ${text}; ${logs.slice(-LOG_LINES).join(" | ")}`);
  return "nonce" in terms.lifetime
    ? new ChainError("NONCE_BUSY", "the nonce was advanced a moment ago and is not final yet")
    : new ChainError("UNREACHABLE", "the node does not know the blockhash it has just given");
}

const accountOf = (plan: FrozenPlan, terms: Terms, index: number): string =>
  getCompiledTransactionMessageDecoder().decode(compilePlan(plan, terms).messageBytes).staticAccounts[index] ??
  `account ${index} of the transaction`;
