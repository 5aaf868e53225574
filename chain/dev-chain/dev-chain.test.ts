import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  appendTransactionMessageInstructions,
  type Blockhash,
  createKeyPairSignerFromPrivateKeyBytes,
  createSolanaRpc,
  createTransactionMessage,
  generateKeyPairSigner,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  type Instruction,
  isSolanaError,
  type KeyPairSigner,
  type Nonce,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  setTransactionMessageLifetimeUsingDurableNonce,
  signTransactionMessageWithSigners,
} from "@solana/kit";
import {
  fetchNonce,
  getAdvanceNonceAccountInstruction,
  getCreateAccountInstruction,
  getInitializeNonceAccountInstruction,
  getTransferSolInstruction,
  SYSTEM_PROGRAM_ADDRESS,
} from "@solana-program/system";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "./in-process.ts";
import { fileStore } from "./store.ts";

const SOL = 1_000_000_000n;
const FINAL_AFTER = 4;
const send = { encoding: "base64", skipPreflight: true } as const;

let dir: string;
let dev: InProcessChain;
let payer: KeyPairSigner;
let to: KeyPairSigner;
const rpc = () => createSolanaRpc(dev.url);

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "almanac-dev-chain-"));
  dev = await openDevChain({ dir, finalAfterSlots: FINAL_AFTER });
  payer = await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(3));
  to = await generateKeyPairSigner();
  await rpc()
    .requestAirdrop(payer.address, (10n * SOL) as never)
    .send();
  dev.ledger.skip(FINAL_AFTER);
});
afterEach(async () => {
  await dev.close();
  rmSync(dir, { recursive: true });
});

const balance = async (commitment: "processed" | "confirmed" | "finalized") =>
  (await rpc().getBalance(to.address, { commitment }).send()).value;
const transfer = (amount: bigint): Instruction =>
  getTransferSolInstruction({ source: payer, destination: to.address, amount });

async function signed(...instructions: Instruction[]) {
  const { value } = await rpc().getLatestBlockhash().send();
  const message = setTransactionMessageLifetimeUsingBlockhash(
    value,
    setTransactionMessageFeePayerSigner(payer, createTransactionMessage({ version: 0 })),
  );
  return signTransactionMessageWithSigners(appendTransactionMessageInstructions(instructions, message));
}
async function signedWithNonce(account: KeyPairSigner, nonce: Blockhash, ...instructions: Instruction[]) {
  const lifetime = {
    nonce: nonce as unknown as Nonce,
    nonceAccountAddress: account.address,
    nonceAuthorityAddress: payer.address,
  };
  const message = setTransactionMessageLifetimeUsingDurableNonce(
    lifetime,
    setTransactionMessageFeePayerSigner(payer, createTransactionMessage({ version: 0 })),
  );
  return signTransactionMessageWithSigners(appendTransactionMessageInstructions(instructions, message));
}

describe("kit's client, unmodified", () => {
  test("reads at the commitment that it asks for", async () => {
    const transaction = await signed(transfer(SOL));
    await rpc().sendTransaction(getBase64EncodedWireTransaction(transaction), send).send();
    const status = async () =>
      (
        await rpc()
          .getSignatureStatuses([getSignatureFromTransaction(transaction)])
          .send()
      ).value[0]?.confirmationStatus;
    expect([await status(), await balance("processed"), await balance("confirmed")]).toEqual(["processed", SOL, 0n]);
    dev.ledger.skip(1);
    expect([await status(), await balance("confirmed"), await balance("finalized")]).toEqual(["confirmed", SOL, 0n]);
    dev.ledger.skip(FINAL_AFTER - 1);
    expect([await status(), await balance("finalized")]).toEqual(["finalized", SOL]);
  });
  test("a blockhash lives for 150 slots", async () => {
    const transaction = await signed(transfer(1n * SOL));
    dev.ledger.skip(150);
    await expect(rpc().sendTransaction(getBase64EncodedWireTransaction(transaction), send).send()).rejects.toThrow();
    expect(await balance("processed")).toBe(0n);
  });
  test("a preflight failure arrives as kit's typed error, and the same bytes land once", async () => {
    const wire = getBase64EncodedWireTransaction(await signed(transfer(100n * SOL)));
    const failure = await rpc()
      .sendTransaction(wire, { encoding: "base64" })
      .send()
      .catch((error: unknown) => error);
    expect(isSolanaError(failure, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)).toBe(true);
    const good = getBase64EncodedWireTransaction(await signed(transfer(SOL)));
    await rpc().sendTransaction(good, { encoding: "base64" }).send();
    await expect(rpc().sendTransaction(good, send).send()).rejects.toThrow();
    expect(await balance("processed")).toBe(SOL);
  });
  test("an unknown method, a wrong parameter and garbage get errors, not a crash", async () => {
    const post = async (body: string) =>
      (await fetch(dev.url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
    expect(await post('{"id":1,"method":"toString","params":[]}')).toMatchObject({ error: { code: -32601 } });
    expect(await post('{"id":1,"method":"getBalance","params":["no address"]}')).toMatchObject({
      error: { code: -32602 },
    });
    expect(await post('{"id":1,"method":"sendTransaction","params":["AAAA",{"encoding":"base64"}]}')).toMatchObject({
      error: { code: -32602 },
    });
    expect(await post('[{"id":1,"method":"getHealth"},7]')).toMatchObject([
      { result: "ok" },
      { error: { code: -32600 } },
    ]);
  });
});

test("a nonce transaction that fails on chain keeps its nonce advanced", async () => {
  const nonce = await generateKeyPairSigner();
  const rent = BigInt(dev.ledger.rent(80));
  const create = await signed(
    getCreateAccountInstruction({
      payer,
      newAccount: nonce,
      lamports: rent,
      space: 80n,
      programAddress: SYSTEM_PROGRAM_ADDRESS,
    }),
    getInitializeNonceAccountInstruction({ nonceAccount: nonce.address, nonceAuthority: payer.address }),
  );
  await rpc().sendTransaction(getBase64EncodedWireTransaction(create), send).send();
  dev.ledger.skip(200); // far beyond any blockhash
  const value = async () => (await fetchNonce(rpc(), nonce.address, { commitment: "processed" })).data.blockhash;
  const first = await value();
  const failing = getBase64EncodedWireTransaction(await signedWithNonce(nonce, first as never, transfer(100n * SOL)));
  await rpc().sendTransaction(failing, send).send();
  const second = await value();
  expect(second).not.toBe(first);
  await expect(
    rpc()
      .sendTransaction(
        getBase64EncodedWireTransaction(await signedWithNonce(nonce, first as never, transfer(SOL))),
        send,
      )
      .send(),
  ).rejects.toThrow();
  await rpc()
    .sendTransaction(
      getBase64EncodedWireTransaction(await signedWithNonce(nonce, second as never, transfer(SOL))),
      send,
    )
    .send();
  expect(await balance("processed")).toBe(SOL);

  // One that advances the nonce but lives by a blockhash is taken back whole.
  const third = await value();
  const advance = getAdvanceNonceAccountInstruction({ nonceAccount: nonce.address, nonceAuthority: payer });
  const byBlockhash = await signed(advance, transfer(100n * SOL));
  await rpc().sendTransaction(getBase64EncodedWireTransaction(byBlockhash), send).send();
  expect(dev.ledger.record(getSignatureFromTransaction(byBlockhash))?.err).toEqual({
    InstructionError: [1, { Custom: 1 }],
  });
  expect(await value()).toBe(third);
});

describe("state", () => {
  test("comes back from disk: balances, history, genesis, and a blockhash that was given out", async () => {
    const early = await signed(transfer(2n * SOL));
    const transaction = await signed(transfer(SOL));
    await rpc().sendTransaction(getBase64EncodedWireTransaction(transaction), send).send();
    const genesis = await rpc().getGenesisHash().send();
    await dev.close();
    dev = await openDevChain({ dir, finalAfterSlots: FINAL_AFTER });
    expect(await rpc().getGenesisHash().send()).toBe(genesis);
    expect([await balance("processed"), await balance("finalized")]).toEqual([SOL, 0n]);
    expect(
      (
        await rpc()
          .getSignatureStatuses([getSignatureFromTransaction(transaction)])
          .send()
      ).value[0],
    ).toMatchObject({ err: null });
    await rpc().sendTransaction(getBase64EncodedWireTransaction(early), send).send();
    expect(await balance("processed")).toBe(3n * SOL);
  });
  test("a fork takes back what was not final, and nothing else", async () => {
    const kept = await signed(transfer(SOL));
    await rpc().sendTransaction(getBase64EncodedWireTransaction(kept), send).send();
    dev.ledger.skip(2);
    const lost = await signed(transfer(2n * SOL));
    await rpc().sendTransaction(getBase64EncodedWireTransaction(lost), send).send();
    dev.ledger.rollback(dev.ledger.clock.slot() - 1);
    expect(await balance("processed")).toBe(SOL);
    expect(
      (
        await rpc()
          .getSignatureStatuses([getSignatureFromTransaction(lost)])
          .send()
      ).value[0],
    ).toBeNull();
    dev.ledger.skip(FINAL_AFTER + 10);
    expect(() => dev.ledger.rollback(1)).toThrow("before the last final one");
  });
  test("files stay few and bounded; a file that is none is refused by name", async () => {
    for (let i = 0; i < 20; i++) dev.ledger.airdrop(payer.address, 1n);
    const small = statSync(join(dir, "chain.json")).size;
    dev.ledger.skip(100);
    dev.ledger.airdrop(payer.address, 1n);
    expect(statSync(join(dir, "chain.json")).size).toBeLessThan(small);
    expect(readdirSync(dir)).toEqual(["chain.json"]);
    writeFileSync(join(dir, "chain.json"), "{}");
    expect(() => fileStore(dir).load()).toThrow("is not a dev chain's state");
  });
});
