import { expect, test } from "vitest";
import { localMint } from "../chain/solana/local-token.ts";
import { readConfig } from "../config.ts";
import { poolOf } from "./payout-pool.ts";

const MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const pool = async (settings: Record<string, string>) => poolOf(readConfig(settings));

test("SOL by default, a token in its smallest units, and the local chain's own", async () => {
  expect(await pool({})).toEqual({ mint: null, units: 1_000_000_000n });
  expect(await pool({ PAYOUT_POOL_LAMPORTS: "7" })).toEqual({ mint: null, units: 7n });
  expect(await pool({ PAYOUT_MINT: MINT, PAYOUT_POOL_UNITS: "25" })).toEqual({ mint: MINT, units: 25n });
  expect(await pool({ NETWORK: "LOCAL", PAYOUT_MINT: "LOCAL", PAYOUT_POOL_UNITS: "1" })).toEqual({
    ...{ mint: await localMint(), units: 1n },
  });
});

test("units without a token, a token without units, and a local token elsewhere are refused", async () => {
  await expect(pool({ PAYOUT_POOL_UNITS: "5" })).rejects.toThrow("PAYOUT_POOL_UNITS: of which token?");
  await expect(pool({ PAYOUT_MINT: MINT })).rejects.toThrow("PAYOUT_POOL_UNITS: not set");
  await expect(pool({ NETWORK: "DEVNET", PAYOUT_MINT: "LOCAL", PAYOUT_POOL_UNITS: "1" })).rejects.toThrow(
    "name the token's mint",
  );
  await expect(pool({ PAYOUT_MINT: "0xabc", PAYOUT_POOL_UNITS: "1" })).rejects.toThrow("PAYOUT_MINT=0xabc");
});
