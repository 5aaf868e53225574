import {
  appendTransactionMessageInstructions,
  compileTransactionMessage,
  createKeyPairSignerFromPrivateKeyBytes,
  createSolanaRpc,
  createTransactionMessage,
  generateKeyPairSigner,
  getBase64EncodedWireTransaction,
  getCompiledTransactionMessageEncoder,
  getSignatureFromTransaction,
  type Instruction,
  type KeyPairSigner,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from "@solana/kit";
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from "@solana-program/compute-budget";
import { getAddMemoInstruction, LEGACY_MEMO_PROGRAM_ADDRESS_V3 } from "@solana-program/memo";
import { getCreateAccountInstruction, getTransferSolInstruction } from "@solana-program/system";
import {
  findAssociatedTokenPda,
  getCreateAssociatedTokenIdempotentInstruction,
  getInitializeMint2Instruction,
  getMintSize,
  getMintToInstruction,
  getTransferInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type InProcessChain, openDevChain } from "./in-process.ts";

const SOL = 1_000_000_000n;
const FINAL_AFTER = 4;
const DECIMALS = 6;

let dev: InProcessChain;
let payer: KeyPairSigner;
let to: KeyPairSigner;

beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER });
  payer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(3));
  to = await generateKeyPairSigner();
  dev.ledger.airdrop(payer.address, 100n * SOL);
  dev.ledger.skip(FINAL_AFTER);
});
afterEach(() => dev.close());

const answer = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
});
/** As any client would ask, without one. */
async function ask(method: string, ...params: unknown[]): Promise<unknown> {
  const response = await fetch(dev.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = answer.parse(await response.json());
  return error === undefined ? result : { error };
}
const refused = (code: number) => ({ error: expect.objectContaining({ code }) });
const contextual = async (method: string, ...params: unknown[]) =>
  ((await ask(method, ...params)) as { value: unknown }).value;

async function message(...instructions: Instruction[]) {
  const { value } = await createSolanaRpc(dev.url).getLatestBlockhash({ commitment: "processed" }).send();
  return appendTransactionMessageInstructions(
    instructions,
    setTransactionMessageLifetimeUsingBlockhash(
      value,
      setTransactionMessageFeePayerSigner(payer, createTransactionMessage({ version: 0 })),
    ),
  );
}
async function signed(...instructions: Instruction[]) {
  const transaction = await signTransactionMessageWithSigners(await message(...instructions));
  return { wire: getBase64EncodedWireTransaction(transaction), id: getSignatureFromTransaction(transaction) };
}
async function send(...instructions: Instruction[]): Promise<string> {
  const { wire, id } = await signed(...instructions);
  expect(await ask("sendTransaction", wire, { encoding: "base64", skipPreflight: true })).toBe(id);
  return id;
}
const transfer = (amount: bigint) => getTransferSolInstruction({ source: payer, destination: to.address, amount });
const memo = (text: string) =>
  getAddMemoInstruction({ memo: text }, { programAddress: LEGACY_MEMO_PROGRAM_ADDRESS_V3 });
const price = (microLamports: bigint) => [
  getSetComputeUnitLimitInstruction({ units: 10_000 }),
  getSetComputeUnitPriceInstruction({ microLamports }),
];

test("every method of the list answers; what it is, it says", async () => {
  const { id } = await signed(transfer(1n));
  const [wire, blockhash] = [(await signed(transfer(SOL))).wire, dev.ledger.clock.hashAt(dev.ledger.clock.slot())];
  const compiled = getCompiledTransactionMessageEncoder().encode(
    compileTransactionMessage(await message(transfer(1n))),
  );
  const calls: Record<string, unknown[]> = {
    ...{ getHealth: [], getVersion: [], getGenesisHash: [], getSlot: [], getBlockHeight: [], getEpochInfo: [] },
    ...{ getLatestBlockhash: [], isBlockhashValid: [blockhash, { commitment: "processed" }] },
    ...{ getFeeForMessage: [Buffer.from(compiled).toString("base64")], getRecentPrioritizationFees: [] },
    ...{ getMinimumBalanceForRentExemption: [1], getBalance: [payer.address] },
    ...{ getAccountInfo: [payer.address], getMultipleAccounts: [[payer.address, to.address]] },
    ...{
      getProgramAccounts: [TOKEN_PROGRAM_ADDRESS],
      sendTransaction: [wire, { encoding: "base64", preflightCommitment: "processed" }],
    },
    ...{ simulateTransaction: [wire, { encoding: "base64" }], getSignatureStatuses: [[id]] },
    ...{ getSignaturesForAddress: [payer.address], getTransaction: [id], requestAirdrop: [to.address, 5] },
  };
  const refusals: unknown[] = [];
  for (const [method, params] of Object.entries(calls)) {
    const got = await ask(method, ...params);
    if (typeof got === "object" && got !== null && "error" in got) refusals.push([method, got.error]);
  }
  expect(refusals).toEqual([]);
  expect(await ask("getVersion")).toEqual({
    "solana-core": expect.stringContaining("LOCAL"),
    "feature-set": Buffer.from("LOCL").readUInt32BE(),
  });
  expect(await (await fetch(`${dev.url}/health`)).json()).toMatchObject({ network: "LOCAL" });
  expect(await contextual("isBlockhashValid", blockhash, { commitment: "finalized" })).toBe(false);
});

describe("getTransaction", () => {
  test("as json: message, memo, fee, balances of lamports and tokens", async () => {
    const mint = await generateKeyPairSigner();
    const ata = async (owner: KeyPairSigner) =>
      (
        await findAssociatedTokenPda({ owner: owner.address, mint: mint.address, tokenProgram: TOKEN_PROGRAM_ADDRESS })
      )[0];
    const [ours, theirs] = [await ata(payer), await ata(to)];
    await send(
      getCreateAccountInstruction({
        payer,
        newAccount: mint,
        lamports: BigInt(dev.ledger.rent(getMintSize())),
        space: BigInt(getMintSize()),
        programAddress: TOKEN_PROGRAM_ADDRESS,
      }),
      getInitializeMint2Instruction({ mint: mint.address, decimals: DECIMALS, mintAuthority: payer.address }),
      getCreateAssociatedTokenIdempotentInstruction({ payer, ata: ours, owner: payer.address, mint: mint.address }),
      getMintToInstruction({ mint: mint.address, token: ours, mintAuthority: payer, amount: 10_000_003n }),
    );
    const id = await send(
      getCreateAssociatedTokenIdempotentInstruction({ payer, ata: theirs, owner: to.address, mint: mint.address }),
      getTransferInstruction({ source: ours, destination: theirs, authority: payer, amount: 2_500_000n }),
      memo("first"),
      memo("second"),
    );
    expect(await ask("getTransaction", id)).toBeNull(); // not final yet
    dev.ledger.skip(FINAL_AFTER);
    expect(await ask("getTransaction", id)).toMatchObject(refused(-32015));
    const config = { maxSupportedTransactionVersion: 0 };
    const shown = z
      .object({ version: z.literal(0), meta: z.looseObject({}), transaction: z.looseObject({}) })
      .parse(await ask("getTransaction", id, config));
    expect(shown.transaction).toMatchObject({
      signatures: [id],
      message: { header: { numRequiredSignatures: 1 }, accountKeys: expect.arrayContaining([payer.address, theirs]) },
    });
    expect(shown.meta).toMatchObject({ err: null, fee: 5_000 });
    const tokens = (balances: unknown) =>
      (balances as { owner: string; uiTokenAmount: { uiAmountString: string } }[])
        .map((b) => [b.owner, b.uiTokenAmount.uiAmountString])
        .sort();
    expect(tokens(shown.meta.preTokenBalances)).toEqual([[payer.address, "10.000003"]]);
    expect(tokens(shown.meta.postTokenBalances)).toEqual(
      [
        [payer.address, "7.500003"],
        [to.address, "2.5"],
      ].sort(),
    );
    const { wire } = dev.ledger.record(id)!;
    expect(await ask("getTransaction", id, { ...config, encoding: "base64" })).toMatchObject({
      transaction: [wire, "base64"],
    });
    expect(await ask("getTransaction", id, { ...config, encoding: "jsonParsed" })).toMatchObject(refused(-32602));
    expect(await ask("getSignaturesForAddress", theirs)).toMatchObject([
      { signature: id, memo: "[5] first; [6] second" },
    ]);

    const found = await ask("getProgramAccounts", TOKEN_PROGRAM_ADDRESS, {
      encoding: "base64",
      filters: [{ dataSize: 165 }, { memcmp: { offset: 32, bytes: to.address } }],
    });
    expect(found).toMatchObject([{ pubkey: theirs, account: { owner: TOKEN_PROGRAM_ADDRESS, space: 165 } }]);
    expect(await ask("getAccountInfo", theirs)).toMatchObject(refused(-32600)); // base58, and too long for it
  });
  test("history is not to be had at processed", async () => {
    const id = await send(transfer(1n));
    for (const call of ["getTransaction", "getSignaturesForAddress"])
      expect(
        await ask(call, call === "getTransaction" ? id : payer.address, { commitment: "processed" }),
      ).toMatchObject(refused(-32602));
  });
});

test("priority fees are charged, told for a message, and seen in the slots they landed in", async () => {
  const instructions = [...price(2_000_000n), transfer(1n)];
  const compiled = getCompiledTransactionMessageEncoder().encode(
    compileTransactionMessage(await message(...instructions)),
  );
  expect(
    await contextual("getFeeForMessage", Buffer.from(compiled).toString("base64"), { commitment: "processed" }),
  ).toBe(25_000);
  const id = await send(...instructions);
  expect(dev.ledger.record(id)!.fee).toBe(25_000);
  dev.ledger.skip(3);
  const fees = z
    .array(z.object({ slot: z.number(), prioritizationFee: z.number() }))
    .parse(await ask("getRecentPrioritizationFees", [to.address]));
  expect(fees.filter((f) => f.prioritizationFee > 0)).toEqual([
    { slot: dev.ledger.record(id)!.slot, prioritizationFee: 2_000_000 },
  ]);
  expect(await ask("getRecentPrioritizationFees", ["no address"])).toMatchObject(refused(-32602));
});

describe("commitment", () => {
  test("a simulation sees the chain at the commitment that it asks for", async () => {
    const { wire } = await signed(transfer(150n * SOL));
    const simulated = async (commitment: string) =>
      (await contextual("simulateTransaction", wire, {
        encoding: "base64",
        commitment,
        replaceRecentBlockhash: true,
      })) as {
        err: unknown;
      };
    dev.ledger.airdrop(payer.address, 100n * SOL);
    expect((await simulated("processed")).err).toBeNull();
    expect((await simulated("confirmed")).err).toEqual({ InstructionError: [0, { Custom: 1 }] });
    dev.ledger.skip(1);
    expect((await simulated("confirmed")).err).toBeNull();
    expect((await simulated("finalized")).err).not.toBeNull();
    expect(await contextual("getBalance", payer.address, { commitment: "processed" })).toBe(Number(200n * SOL));
  });
  test("minContextSlot above what this node has reached is -32016, with what it has reached", async () => {
    const slot = dev.ledger.slotAt("finalized");
    expect(await ask("getBalance", payer.address, { minContextSlot: slot })).toMatchObject({
      value: Number(100n * SOL),
    });
    const behind = { error: { code: -32016, data: { contextSlot: slot } } };
    for (const call of [
      ["getBalance", payer.address],
      ["getMultipleAccounts", [payer.address]],
      ["sendTransaction", (await signed(transfer(1n))).wire],
    ])
      expect(await ask(call[0] as string, call[1], { encoding: "base64", minContextSlot: slot + 1 })).toMatchObject(
        behind,
      );
  });
});

describe("faults of one endpoint", () => {
  test("a replica that is behind knows neither the transaction nor what it did", async () => {
    const id = await send(transfer(SOL));
    dev.ledger.skip(FINAL_AFTER);
    await dev.fault({ lag: 12 });
    expect(await ask("getHealth")).toMatchObject({ error: { code: -32005, data: { numSlotsBehind: 12 } } });
    expect(await contextual("getSignatureStatuses", [id], { searchTransactionHistory: true })).toEqual([null]);
    expect(await contextual("getBalance", to.address, { commitment: "processed" })).toBe(0);
    dev.ledger.skip(12);
    expect(await contextual("getSignatureStatuses", [id])).toMatchObject([{ confirmationStatus: "finalized" }]);
    expect(await contextual("getBalance", to.address)).toBe(Number(SOL));
  });
  test("an old status needs the history, which a pruned node does not have", async () => {
    const id = await send(transfer(SOL));
    dev.ledger.skip(200);
    const status = async (config?: object) =>
      ((await contextual("getSignatureStatuses", [id], config)) as unknown[])[0];
    expect([await status(), await status({ searchTransactionHistory: true })]).toEqual([
      null,
      expect.objectContaining({ err: null }),
    ]);
    await dev.fault({ pruned: true });
    expect(await status({ searchTransactionHistory: true })).toBeNull();
    expect(await ask("getSignaturesForAddress", to.address)).toEqual([]);
    expect(await contextual("getBalance", to.address)).toBe(Number(SOL)); // account state is never pruned
  });
  test("an attempt that fails on chain costs the fee and changes nothing else", async () => {
    await dev.fault({ failOnChain: 1 });
    const id = await send(transfer(SOL));
    expect(dev.ledger.record(id)).toMatchObject({ err: { InstructionError: [0, { Custom: 1 }] }, fee: 5_000 });
    expect(await contextual("getBalance", payer.address, { commitment: "processed" })).toBe(Number(100n * SOL) - 5_000);
    await send(transfer(SOL + 1n));
    expect(await contextual("getBalance", to.address, { commitment: "processed" })).toBe(Number(SOL) + 1);
  });
  test("a hidden status, a lying ack and a 503 strike as often as they are told; faults that are none are refused", async () => {
    const { wire, id } = await signed(transfer(SOL));
    await dev.fault({ hideSignatures: 1, dropSend: 1 });
    const config = { encoding: "base64", skipPreflight: true };
    expect(await ask("sendTransaction", wire, config)).toBe(id);
    expect(dev.ledger.record(id)).toBeUndefined();
    expect(await ask("sendTransaction", wire, config)).toBe(id);
    expect(await contextual("getSignatureStatuses", [id])).toEqual([null]);
    expect(await contextual("getSignatureStatuses", [id])).toMatchObject([{ confirmationStatus: "processed" }]);
    const post = (path: string, body: object) =>
      fetch(`${dev.url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await post("/dev/faults", { lag: 1_000 })).ok).toBe(false);
    await post("/dev/faults", { error5xx: 1 });
    expect((await post("/", { id: 1, method: "getHealth" })).status).toBe(503);
    expect((await post("/", { id: 1, method: "getHealth" })).status).toBe(200);
  });
});

test("a batch has an answer for each request, and neither none nor too many", async () => {
  const post = async (body: unknown) =>
    (
      await fetch(dev.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      })
    ).json();
  const slot = { jsonrpc: "2.0", id: 7, method: "getSlot" };
  expect(await post(Array(100).fill(slot))).toHaveLength(100);
  expect(await post(Array(101).fill(slot))).toMatchObject(refused(-32600));
  expect(await post([])).toMatchObject(refused(-32600));
});

test("only this machine is answered, by its loopback names", async () => {
  const { app } = dev;
  const asked = (host: string) => app.inject({ method: "GET", url: "/health", headers: { host } });
  for (const host of ["127.0.0.1:8899", "localhost", "[::1]:8899"]) expect((await asked(host)).statusCode).toBe(200);
  for (const host of ["evil.example", "127.0.0.1.evil.example:8899"]) expect((await asked(host)).statusCode).toBe(403);
});
