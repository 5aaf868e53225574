import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "../dev-chain/in-process.ts";
import type { ChainPort, EmissionPlan } from "../port.ts";
import { nonceAddress } from "./nonce.ts";
import { createNonceAccount } from "./nonce-account.ts";
import { createRpc } from "./rpc.ts";
import { createSolanaChain } from "./solana-chain.ts";

const FINAL_AFTER = 4;
const SOL = 1_000_000_000n;
const emission = (checkpoint: string): EmissionPlan => ({
  ...{ crunch: "starter", checkpoint, root: "11".repeat(32), emissionHash: "22".repeat(32) },
  ...{ logSize: 1, logRoot: "33".repeat(32) },
});

let dev: InProcessChain;
let signer: KeyPairSigner;
let chain: ChainPort;
let nonceAccount: string;

const open = (account: string) => createSolanaChain({ rpcUrl: dev.url, signer, nonceAccount: account });

beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
  dev.ledger.airdrop(signer.address, 10n * SOL);
  dev.ledger.skip(FINAL_AFTER + 1);
  const made = await createNonceAccount(createRpc(dev.url, 2_000), signer, async () => dev.ledger.skip(FINAL_AFTER));
  expect(made.existed).toBe(false);
  nonceAccount = made.address;
  chain = open(nonceAccount);
});
afterEach(() => dev.close());

test("signed bytes live for as long as the value of the nonce stands, and land once", async () => {
  const plan = await chain.freeze(emission("CKP_1"));
  const attempt = await chain.sign(plan, 1);
  expect(attempt.lifetime).toMatchObject({ nonceAccount });
  dev.ledger.skip(1_000); // a blockhash would be long gone
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "live" });
  await chain.broadcast(attempt);
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "seen", signature: attempt.id });
  dev.ledger.skip(FINAL_AFTER);
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "final", signature: attempt.id });
});
test("a value that something else used up is dead, and the next attempt lands", async () => {
  const [plan, other] = [await chain.freeze(emission("CKP_1")), await chain.freeze(emission("CKP_2"))];
  const first = await chain.sign(plan, 1);
  await chain.broadcast(await chain.sign(other, 1));
  // As confirmed the value is gone, as finalized it stands: nobody signs, nobody gives up.
  dev.ledger.skip(1);
  await expect(chain.sign(plan, 2)).rejects.toMatchObject({ code: "NONCE_BUSY" });
  expect(await chain.observe(plan, first)).toMatchObject({ kind: "live" });
  dev.ledger.skip(FINAL_AFTER);
  expect(await chain.observe(plan, first)).toMatchObject({ kind: "dead", reason: expect.stringContaining("used up") });
  await expect(chain.broadcast(first)).rejects.toThrow();
  const second = await chain.sign(plan, 2);
  await chain.broadcast(second);
  dev.ledger.skip(FINAL_AFTER);
  expect(await chain.observe(plan, second)).toMatchObject({ kind: "final", signature: second.id });
});
test("a second allocation of the marker is recognised behind the nonce's own instruction", async () => {
  const plan = await chain.freeze(emission("CKP_1"));
  await chain.broadcast(await chain.sign(plan, 1));
  dev.ledger.skip(FINAL_AFTER);
  await expect(chain.sign(plan, 2)).rejects.toMatchObject({ code: "MARKER_TAKEN" });
});
test("a nonce that other bytes live by is left to them", async () => {
  const asked: string[] = [];
  const plan = await chain.freeze(emission("CKP_1"));
  const busy = chain.sign(plan, 1, async (nonce) => asked.push(nonce) === 0);
  await expect(busy).rejects.toMatchObject({ code: "NONCE_BUSY" });
  expect(asked).toEqual([expect.stringMatching(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/)]);
});
test("batches leave room for the nonce; one that was packed without is refused with the way out", async () => {
  const wallet = async (i: number) =>
    (await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(i + 100))).address;
  const transfers = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => ({ to: await wallet(i), amount: "2000000" })),
  );
  const payout = { crunch: "starter", checkpoint: "CKP_1", mint: null, transfers };
  for (const plan of await chain.freezePayouts(payout))
    expect(Buffer.from((await chain.sign(plan, 1)).wire, "base64").length).toBeLessThanOrEqual(1232);
  const [tight] = await createSolanaChain({ rpcUrl: dev.url, signer }).freezePayouts(payout);
  await expect(chain.sign(tight!, 1)).rejects.toMatchObject({
    code: "REFUSED",
    message: expect.stringContaining("SUBMISSION_LIFETIME=blockhash"),
  });
});
test("an account that is no nonce of this key is named, with the command that makes one", async () => {
  const stranger = (await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(9))).address;
  const plan = await chain.freeze(emission("CKP_1"));
  for (const account of [stranger, signer.address])
    await expect(open(account).sign(plan, 1)).rejects.toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("almanac chain nonce-create"),
    });
});
test("making it again finds it, and lamports sent before do not block the address", async () => {
  const again = await createNonceAccount(createRpc(dev.url, 2_000), signer, async () => dev.ledger.skip(1));
  expect(again).toEqual({ address: nonceAccount, existed: true });
  const other = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(8));
  dev.ledger.airdrop(other.address, SOL);
  dev.ledger.airdrop(await nonceAddress(other.address), SOL);
  dev.ledger.skip(FINAL_AFTER);
  const made = await createNonceAccount(createRpc(dev.url, 2_000), other, async () => dev.ledger.skip(FINAL_AFTER));
  expect(made.existed).toBe(false);
});
