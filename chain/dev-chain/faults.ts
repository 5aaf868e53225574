import { z } from "zod";

/** The furthest that a replica may pretend to be behind; old account states are kept for that long. */
export const MAX_LAG_SLOTS = 64;

/** How one endpoint misbehaves. The ledger behind it stays honest: another endpoint over it tells the truth. */
export const faultSettings = z.object({
  /** so many sends answer with a signature and broadcast nothing */
  dropSend: z.number().int().min(0).default(0),
  /** so many sends land and answer 504 */
  acceptThenTimeout: z.number().int().min(0).default(0),
  /** so many requests answer 503 */
  error5xx: z.number().int().min(0).default(0),
  /** so many statuses read as unknown */
  hideSignatures: z.number().int().min(0).default(0),
  /** so many sends find their payer without money: they land, fail on chain, and cost the fee */
  failOnChain: z.number().int().min(0).default(0),
  /** slots that reads are behind */
  lag: z.number().int().min(0).max(MAX_LAG_SLOTS).default(0),
  /** no history at all */
  pruned: z.boolean().default(false),
});
export type Faults = z.output<typeof faultSettings>;
type Counted = "dropSend" | "acceptThenTimeout" | "error5xx" | "hideSignatures" | "failOnChain";

export const noFaults = (): Faults => faultSettings.parse({});

/** Uses up one of a fault that strikes so many times. */
export function take(faults: Faults, name: Counted): boolean {
  if (faults[name] === 0) return false;
  faults[name]--;
  return true;
}
