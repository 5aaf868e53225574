import type { Instruction } from "@solana/kit";
import { getAddMemoInstruction, LEGACY_MEMO_PROGRAM_ADDRESS_V3 } from "@solana-program/memo";
import type { EmissionPlan, Payload } from "../port.ts";

type Memo = Extract<Payload, { kind: "memo" }>;

/** The memo program that every cluster has and nobody can upgrade (MemoSq4g…; its successor is not everywhere yet). */
export const MEMO_PROGRAM = LEGACY_MEMO_PROGRAM_ADDRESS_V3;

/** What a reader of the chain finds: which checkpoint of which crunch, the two hashes it is bound to, and the log that it ends. */
export const freezeMemo = (plan: EmissionPlan): Memo => ({
  kind: "memo",
  text: `almanac:2:${plan.crunch}:${plan.checkpoint}:${plan.root}:${plan.emissionHash}:${plan.logSize}:${plan.logRoot}`,
});

export const memoInstructions = (_base: string, { text }: Memo): Instruction[] => [
  getAddMemoInstruction({ memo: text }, { programAddress: MEMO_PROGRAM }),
];
