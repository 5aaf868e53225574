import { z } from "zod";

/** Where the worker is killed: spec/onchain.md section 2, and state machine of section 3. */
export const CRASHES = [
  "none",
  "before sign",
  "signed, not stored",
  "stored, not sent",
  "sent, not acknowledged",
  "acknowledged",
  "confirmed",
  "final, not recorded",
] as const;
export const FAULTS = [
  "none",
  "lying ack",
  "timeout after accept",
  "status hidden 200 times",
  "three 503s",
  "fork after confirmed",
  "nonce advanced by another party",
  "first attempt fails on chain",
  "two workers, separate stores",
  "history pruned",
  "replica 12 slots behind",
  "other content first",
] as const;
export type Crash = (typeof CRASHES)[number];
export type Fault = (typeof FAULTS)[number];

/** One checkpoint on a chain of its own. */
export const cellShape = z.object({
  crash: z.enum(CRASHES),
  fault: z.enum(FAULTS),
  /** the endpoint that misbehaves */
  rpcUrl: z.string(),
  /** another endpoint over the same ledger, which tells the truth and has the /dev routes */
  honestUrl: z.string(),
  /** the process stops (SIGSTOP) where it would be killed, and goes on when it is woken */
  pauses: z.boolean().default(false),
});
export type CellSettings = z.output<typeof cellShape>;

/** Every crash point and every fault at least once; the one crash that a fault is worst with, where there is one. */
export const SHORT_FORM: readonly (readonly [Crash, Fault])[] = [
  ["none", "none"],
  ["final, not recorded", "none"],
  ["acknowledged", "lying ack"],
  ["sent, not acknowledged", "timeout after accept"],
  ["confirmed", "status hidden 200 times"],
  ["stored, not sent", "three 503s"],
  ["confirmed", "fork after confirmed"],
  ["signed, not stored", "nonce advanced by another party"],
  ["acknowledged", "first attempt fails on chain"],
  ["sent, not acknowledged", "two workers, separate stores"],
  ["signed, not stored", "history pruned"],
  ["before sign", "replica 12 slots behind"],
  ["stored, not sent", "other content first"],
  ["none", "other content first"],
];
