import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "../dev-chain/in-process.ts";
import { unitPrice } from "./fee.ts";
import { freezeEmission } from "./plan.ts";
import { createRpc, type Rpc } from "./rpc.ts";
import { signPlan } from "./sign.ts";

const FINAL_AFTER = 4;
let dev: InProcessChain;
let signer: KeyPairSigner;

beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
});
afterEach(() => dev.close());

/** The dev chain, whose recent blocks asked `fees`. */
const asking = (...fees: bigint[]): Rpc => ({ ...createRpc(dev.url, 2_000), recentFees: async () => [...fees] });
const planOf = (checkpoint: string) =>
  freezeEmission(
    { genesis: dev.ledger.genesis, base: signer.address, nonceAccount: null },
    {
      crunch: "c",
      checkpoint,
      root: "11".repeat(32),
      emissionHash: "22".repeat(32),
      logSize: 1,
      logRoot: "33".repeat(32),
    },
  );
async function costOf(rpc: Rpc, checkpoint: string): Promise<number> {
  const { wire, id } = await signPlan(
    rpc,
    { signer, nonceAccount: null, maxUnitPrice: 1_000_000n },
    await planOf(checkpoint),
    1,
  );
  await rpc.send(wire);
  const { err, fee } = dev.ledger.record(id)!;
  expect(err).toBeNull();
  return fee;
}

test("what three of four blocks asked at most, up to the limit; where the limit is 0 nobody is asked", async () => {
  const fees = [9n, 0n, 5n, 1n, 2n, 3n, 4n, 6n];
  expect(await unitPrice(asking(...fees), "x", 100n)).toBe(6n);
  expect(await unitPrice(asking(...fees), "x", 2n)).toBe(2n);
  expect(await unitPrice(asking(), "x", 2n)).toBe(0n);
  const silent = { recentFees: () => Promise.reject(new Error("asked")) };
  expect(await unitPrice(silent, "x", 0n)).toBe(0n);
});
test("is paid per compute unit that the simulation needed, and is nothing where nobody pays", async () => {
  dev.ledger.airdrop(signer.address, 1_000_000_000n);
  dev.ledger.skip(FINAL_AFTER);
  expect(await costOf(asking(0n, 0n), "CKP_1")).toBe(5_000);
  const paid = await costOf(asking(1_000_000n), "CKP_2");
  expect(paid).toBeGreaterThan(5_000);
  expect(paid).toBeLessThan(5_000 + 100_000); // a limit of all 1,400,000 units would cost 1,400,000
});
test("that the payer lacks is NO_FUNDS, not a transaction that nobody takes", async () => {
  dev.ledger.airdrop(signer.address, 2n * 897_840n + 890_880n + 5_000n); // markers, the least balance, the base fee
  dev.ledger.skip(FINAL_AFTER);
  const options = { signer, nonceAccount: null, maxUnitPrice: 1_000_000_000_000n };
  const plan = await planOf("CKP_1");
  await signPlan(asking(0n), options, plan, 1);
  await expect(signPlan(asking(1_000_000_000n), options, plan, 1)).rejects.toMatchObject({ code: "NO_FUNDS" });
});
