import type { Instruction } from "@solana/kit";
import { ChainError, type Payload } from "../port.ts";
import { tokenTransferInstructions } from "../solana/token.ts";
import { memoInstructions } from "./memo.ts";
import { transferInstructions } from "./transfers.ts";

/** What one kind of payload puts between the markers. Its inputs are frozen with the plan; nothing is looked up here. */
type Sent = Exclude<Payload, { kind: "claims" }>;
type Builder<K extends Sent["kind"]> = (base: string, payload: Extract<Payload, { kind: K }>) => Instruction[];

const BUILDERS: { [K in Sent["kind"]]: Builder<K> } = {
  memo: memoInstructions,
  transfers: transferInstructions,
  tokenTransfers: (base, { token, transfers }) => tokenTransferInstructions(base, token, transfers),
};

/** The instructions of a frozen payload, signed for by `base`. Throws ChainError REFUSED for claims: nobody sends those. */
export function payloadInstructions(base: string, payload: Payload): Instruction[] {
  if (payload.kind === "claims")
    throw new ChainError("REFUSED", "claims are made by their recipients; nothing is sent");
  return (BUILDERS[payload.kind] as Builder<Sent["kind"]>)(base, payload as never);
}
