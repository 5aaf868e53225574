import { z } from "zod";
import { INVALID_PARAMS, RpcError } from "./errors.ts";
import { COMMITMENTS } from "./ledger.ts";

export const key = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "not a base58 address");
export const signature = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{64,88}$/, "not a base58 signature");
export const text = z.string();
export const space = z.number().int().min(0);
export const lamports = z.number().int().positive();
export const keys = z.array(key).max(100);
export const signatures = z.array(signature).max(256);
export const lockedAccounts = z.array(key).max(128);

const slice = z.object({ offset: z.number().int().min(0), length: z.number().int().min(0) });
const memcmp = z.object({
  offset: z.number().int().min(0),
  bytes: z.string(),
  encoding: z.enum(["base58", "base64"]).default("base58"),
});
const commitment = z.enum(COMMITMENTS as readonly ["processed", "confirmed", "finalized"]).default("finalized");

const config = z.object({
  commitment,
  preflightCommitment: commitment,
  minContextSlot: z.number().int().optional(),
  encoding: z.string().optional(),
  dataSlice: slice.optional(),
  filters: z
    .array(z.union([z.object({ dataSize: z.number().int() }), z.object({ memcmp })]))
    .max(4)
    .default([]),
  limit: z.number().int().min(1).max(1000).default(1000),
  before: z.string().optional(),
  until: z.string().optional(),
  skipPreflight: z.boolean().default(false),
  sigVerify: z.boolean().default(false),
  replaceRecentBlockhash: z.boolean().default(false),
  withContext: z.boolean().default(false),
  searchTransactionHistory: z.boolean().default(false),
  maxSupportedTransactionVersion: z.number().int().min(0).optional(),
});
export type Config = z.output<typeof config>;

/** Parses one parameter; Agave's code for what cannot be used. */
export function param<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new RpcError(INVALID_PARAMS, `Invalid params: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

export const options = (value: unknown): Config => param(config, value ?? {});

/** History is asked for at confirmed or finalized only. */
export function historyOptions(value: unknown): Config {
  const asked = options(value);
  if (asked.commitment === "processed")
    throw new RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`");
  return asked;
}
