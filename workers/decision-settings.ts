import { address, getAddressEncoder } from "@solana/kit";
import type { DecisionSettings } from "../activities/decision.ts";
import { type Config, ConfigError } from "../config.ts";
import type { Approver } from "../domain/decision.ts";
import { toHex } from "../proofs/hash.ts";

/** Who decides about checkpoints. Throws ConfigError where nobody could, off LOCAL. */
export function decisionSettings(config: Config, crunch: string): DecisionSettings {
  const { NETWORK: network, APPROVERS, APPROVAL_POLICY, OBJECTION_SECONDS } = config;
  const signed = network !== "LOCAL";
  const approvalsNeeded = { network: signed ? 1 : 0, auto: 0, "1": 1, "2": 2 }[APPROVAL_POLICY];
  const approvers = APPROVERS.map(approverOf);
  const missing = Math.max(1, approvalsNeeded) - new Set(APPROVERS).size;
  if (signed && missing > 0)
    throw new ConfigError([
      `APPROVERS: ${missing} more needed on ${network}: name the addresses of the keys that approve, retry and void checkpoints`,
    ]);
  return { network, crunch, signed, approvers, approvalsNeeded, objectionMs: OBJECTION_SECONDS * 1_000 };
}

function approverOf(text: string): Approver {
  try {
    const publicKey = Uint8Array.from(getAddressEncoder().encode(address(text)));
    return { address: text, publicKey: toHex(publicKey) };
  } catch {
    throw new ConfigError([`APPROVERS: ${text} is no address (base58 of the 32 bytes of an Ed25519 public key)`]);
  }
}
