import { PeerHttpError } from "./checkpoints.ts";

/** Statuses that the public node knows, in the order in which they follow each other. */
const STATUSES = ["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"] as const;
export type PeerStatus = (typeof STATUSES)[number];

const isStatus = (x: unknown): x is PeerStatus => (STATUSES as readonly unknown[]).includes(x);
const nextOf = (from: PeerStatus): PeerStatus | undefined => STATUSES[STATUSES.indexOf(from) + 1];
const shown = (x: unknown): string => (x === null || x === undefined ? "None" : String(x));

/**
 * PATCH …/status: the status that follows, if it is the one that was asked for. Throws PeerHttpError with the public node's words: 422 for an unknown
 * status, 409 for any other step.
 */
export function peerStatusChange(from: PeerStatus, to: unknown): PeerStatus {
  if (!isStatus(to)) {
    const valid = STATUSES.map((s) => `'${s}'`).join(", ");
    throw new PeerHttpError(422, `Invalid status: ${shown(to)}. Valid: [${valid}]`);
  }
  const next = nextOf(from);
  if (to === next) return to;
  const allowed = next ? `<CheckpointStatus.${next}: '${next}'>` : "";
  throw new PeerHttpError(409, `Cannot transition from ${from} to ${to}. Allowed: [${allowed}]`);
}

/** POST …/confirm: what is recorded, whatever the hash says. Throws PeerHttpError: 409 unless PENDING, 422 without a hash. */
export function peerConfirm(from: PeerStatus, { tx_hash }: { tx_hash?: unknown }) {
  if (from !== "PENDING") throw new PeerHttpError(409, `Checkpoint is ${from}, expected PENDING`);
  if (typeof tx_hash !== "string" || tx_hash === "") throw new PeerHttpError(422, "tx_hash required");
  return { status: peerStatusChange(from, "SUBMITTED"), tx_hash };
}
