import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "../dev-chain/in-process.ts";
import { buildServer } from "../dev-chain/server.ts";
import type { ChainPort, EmissionPlan } from "../port.ts";
import { createSolanaChain } from "./solana-chain.ts";

const FINAL_AFTER = 4;
const emission: EmissionPlan = {
  ...{ crunch: "starter", checkpoint: "CKP_1", root: "11".repeat(32), emissionHash: "22".repeat(32) },
  ...{ logSize: 1, logRoot: "33".repeat(32) },
};

let dev: InProcessChain;
let second: ReturnType<typeof buildServer>;
let secondRpcUrl: string;
let signer: KeyPairSigner;
let chain: ChainPort;

/** What the second endpoint pretends. */
const fault = (payload: Record<string, unknown>) => second.inject({ method: "POST", url: "/dev/faults", payload });

beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  second = buildServer(dev.ledger, { dev: true });
  secondRpcUrl = await second.listen({ port: 0, host: "127.0.0.1" });
  signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
  dev.ledger.airdrop(signer.address, 10_000_000_000n);
  dev.ledger.skip(FINAL_AFTER + 1);
  chain = createSolanaChain({ rpcUrl: dev.url, secondRpcUrl, signer });
});
afterEach(async () => {
  await second.close();
  await dev.close();
});

test("what one endpoint calls final and the other absent is neither, until they agree", async () => {
  const plan = await chain.freeze(emission);
  const attempt = await chain.sign(plan, 1);
  await chain.broadcast(attempt);
  dev.ledger.skip(FINAL_AFTER);
  await fault({ lag: 2 });
  await expect(chain.observe(plan, attempt)).rejects.toMatchObject({
    code: "DISAGREEMENT",
    message: expect.stringContaining(plan.key.address),
  });
  await fault({ lag: 0 });
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "final", signature: attempt.id });
});
test("an attempt is dead only when both endpoints are past its time", async () => {
  const plan = await chain.freeze(emission);
  const attempt = await chain.sign(plan, 1);
  dev.ledger.skip(150 + FINAL_AFTER + 1);
  await fault({ lag: 3 });
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "live" });
  await fault({ lag: 0 });
  expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "dead" });
});
test("where the second does not answer nothing is known; bytes still go out by the first", async () => {
  const plan = await chain.freeze(emission);
  const attempt = await chain.sign(plan, 1);
  await second.close();
  await expect(chain.observe(plan, attempt)).rejects.toMatchObject({ code: "UNREACHABLE" });
  await chain.broadcast(attempt);
  expect(dev.ledger.record(attempt.id)?.err).toBeNull();
});
test("two clusters are named", async () => {
  const elsewhere = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  const split = createSolanaChain({ rpcUrl: dev.url, secondRpcUrl: elsewhere.url, signer });
  await expect(split.genesis()).rejects.toMatchObject({ code: "WRONG_GENESIS" });
  await elsewhere.close();
});
