import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "../dev-chain/in-process.ts";
import type { Attempt, ChainPort, EmissionPlan, FrozenPlan } from "../port.ts";
import { createSolanaChain } from "./solana-chain.ts";

const SOL = 1_000_000_000n;
const FINAL_AFTER = 4;
const emission: EmissionPlan = {
  crunch: "starter",
  checkpoint: "CKP_1",
  root: "11".repeat(32),
  emissionHash: "22".repeat(32),
  logSize: 3,
  logRoot: "33".repeat(32),
};

let dev: InProcessChain;
let signer: KeyPairSigner;
let chain: ChainPort;

const wallet = async (n: number) => (await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(n))).address;
const balance = (of: string) => BigInt(dev.ledger.accountAt(of, dev.ledger.clock.slot())?.[0] ?? "0");
const send = async (plan: FrozenPlan, n = 1): Promise<Attempt> => {
  const attempt = await chain.sign(plan, n);
  await chain.broadcast(attempt);
  return attempt;
};

beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  signer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7));
  dev.ledger.airdrop(signer.address, 10n * SOL);
  dev.ledger.skip(FINAL_AFTER + 1);
  chain = createSolanaChain({ rpcUrl: dev.url, signer });
});
afterEach(() => dev.close());

describe("an emission", () => {
  test("goes from absent over seen to final, with its signature", async () => {
    const plan = await chain.freeze(emission);
    expect(await chain.observe(plan)).toMatchObject({ kind: "absent" });
    const attempt = await chain.sign(plan, 1);
    expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "live" });
    await chain.broadcast(attempt);
    expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "seen", signature: attempt.id });
    dev.ledger.skip(FINAL_AFTER);
    expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "final", signature: attempt.id });
    expect(dev.ledger.record(attempt.id)?.memo).toContain(
      `almanac:2:starter:CKP_1:${emission.root}:${emission.emissionHash}:3:${emission.logRoot}`,
    );
  });
  test("signed again takes no effect a second time", async () => {
    const plan = await chain.freeze(emission);
    const first = await chain.sign(plan, 1);
    dev.ledger.skip(1);
    const second = await chain.sign(plan, 2);
    await chain.broadcast(first);
    await chain.broadcast(second);
    dev.ledger.skip(FINAL_AFTER);
    expect(dev.ledger.record(second.id)?.err).toEqual({ InstructionError: [2, { Custom: 0 }] });
    expect(await chain.observe(plan, second)).toMatchObject({ kind: "final", signature: first.id });
    await expect(chain.sign(plan, 3)).rejects.toMatchObject({ code: "MARKER_TAKEN" });
  });
  test("of other content under the same checkpoint is a conflict", async () => {
    await send(await chain.freeze({ ...emission, root: "33".repeat(32) }));
    dev.ledger.skip(FINAL_AFTER);
    expect(await chain.observe(await chain.freeze(emission))).toMatchObject({ kind: "conflict" });
  });
  test("is not fooled by lamports at its marker's address", async () => {
    const plan = await chain.freeze(emission);
    dev.ledger.airdrop(plan.key.address, SOL);
    dev.ledger.airdrop(plan.content!.address, SOL);
    dev.ledger.skip(FINAL_AFTER);
    expect(await chain.observe(plan)).toMatchObject({ kind: "absent" });
    const attempt = await send(plan);
    dev.ledger.skip(FINAL_AFTER);
    expect(await chain.observe(plan)).toMatchObject({ kind: "final", signature: attempt.id });
  });
  test("is dead when its blockhash is too old, and lives on under the next attempt", async () => {
    const plan = await chain.freeze(emission);
    const first = await chain.sign(plan, 1);
    dev.ledger.skip(150);
    await expect(chain.broadcast(first)).rejects.toThrow();
    expect(await chain.observe(plan, first)).toMatchObject({ kind: "live" }); // not yet final that it is too late
    dev.ledger.skip(FINAL_AFTER + 1);
    expect(await chain.observe(plan, first)).toMatchObject({ kind: "dead" });
    const second = await send(plan, 2);
    dev.ledger.skip(FINAL_AFTER);
    expect(await chain.observe(plan, second)).toMatchObject({ kind: "final", signature: second.id });
  });
  test("survives a fork with the same bytes", async () => {
    const plan = await chain.freeze(emission);
    dev.ledger.skip(1);
    const attempt = await send(plan);
    const landed = dev.ledger.record(attempt.id)!.slot;
    dev.ledger.skip(1);
    dev.ledger.rollback(landed - 1);
    expect(await chain.observe(plan, attempt)).toMatchObject({ kind: "live" });
    await chain.broadcast(attempt).catch(() => undefined); // refused where its own blockhash was on the lost fork
    dev.ledger.skip(FINAL_AFTER);
    expect(["final", "live"]).toContain((await chain.observe(plan, attempt)).kind);
  });
});

describe("refusals name their cause", () => {
  test("no funds", async () => {
    const poor = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(8));
    const port = createSolanaChain({ rpcUrl: dev.url, signer: poor });
    await expect(port.sign(await port.freeze(emission), 1)).rejects.toMatchObject({ code: "NO_FUNDS" });
    dev.ledger.airdrop(poor.address, 1_000_000n);
    await expect(port.sign(await port.freeze(emission), 1)).rejects.toMatchObject({ code: "NO_FUNDS" });
  });
  test("another key than the plan's", async () => {
    const other = createSolanaChain({
      rpcUrl: dev.url,
      signer: await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(9)),
    });
    await expect(other.sign(await chain.freeze(emission), 1)).rejects.toMatchObject({ code: "KEY_MISMATCH" });
  });
  test("another cluster", async () => {
    const plan = { ...(await chain.freeze(emission)), genesis: "elsewhere" };
    await expect(chain.observe(plan)).rejects.toMatchObject({ code: "WRONG_GENESIS" });
  });
  test("a node that is away, or answers nonsense", async () => {
    const plan = await chain.freeze(emission);
    await dev.fault({ error5xx: 1 });
    await expect(chain.observe(plan)).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect(await chain.observe(plan)).toMatchObject({ kind: "absent" });
  });
  test("a replica that is behind what was already read", async () => {
    const plan = await chain.freeze(emission);
    await chain.observe(plan);
    await dev.fault({ lag: 3 });
    await expect(chain.observe(plan)).rejects.toMatchObject({ code: "UNREACHABLE" });
  });
});

describe("what is read", () => {
  test("is not from before what was read for this plan earlier, whichever process read it", async () => {
    const plan = await chain.freeze(emission);
    const { slot } = await chain.observe(plan);
    await dev.fault({ lag: 3 });
    const restarted = createSolanaChain({ rpcUrl: dev.url, signer });
    await expect(restarted.observe(plan, undefined, slot)).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect(await restarted.observe(plan)).toMatchObject({ kind: "absent" }); // nobody told it
  });
});

describe("payouts", () => {
  test("pay 40 recipients once, in batches that fit, whoever signs again", async () => {
    const transfers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => ({ to: await wallet(i + 100), amount: String(2_000_000 + i) })),
    );
    const plans = await chain.freezePayouts({ crunch: "starter", checkpoint: "CKP_1", mint: null, transfers });
    expect(plans.map((plan) => plan.part)).toEqual(plans.map((_, i) => i + 1));
    expect(new Set(plans.map((plan) => plan.key.address)).size).toBe(plans.length);
    expect(plans.flatMap((plan) => (plan.payload.kind === "transfers" ? plan.payload.transfers : []))).toEqual(
      transfers,
    );
    for (const plan of plans) {
      const attempt = await send(plan);
      expect(Buffer.from(attempt.wire, "base64").length).toBeLessThanOrEqual(1232);
    }
    dev.ledger.skip(FINAL_AFTER);
    for (const plan of plans) await expect(chain.sign(plan, 2)).rejects.toMatchObject({ code: "MARKER_TAKEN" });
    for (const plan of plans) expect(await chain.observe(plan)).toMatchObject({ kind: "final" });
    for (const { to, amount } of transfers) expect(balance(to)).toBe(BigInt(amount));
  });
  test("of nothing need no batch", async () => {
    expect(await chain.freezePayouts({ crunch: "starter", checkpoint: "CKP_1", mint: null, transfers: [] })).toEqual(
      [],
    );
  });
});
