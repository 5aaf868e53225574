import { address, createNoopSigner, type Instruction } from "@solana/kit";
import { getTransferSolInstruction } from "@solana-program/system";
import type { Payload } from "../port.ts";

type Transfers = Extract<Payload, { kind: "transfers" }>;

/** SOL from the base to each wallet. */
export function transferInstructions(base: string, { transfers }: Transfers): Instruction[] {
  const source = createNoopSigner(address(base));
  return transfers.map(({ to, amount }) =>
    getTransferSolInstruction({ source, destination: address(to), amount: BigInt(amount) }),
  );
}
