import {
  address,
  appendTransactionMessageInstructions,
  compileTransaction,
  createKeyPairSignerFromPrivateKeyBytes,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  type Instruction,
  type KeyPairSigner,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransaction,
} from "@solana/kit";
import {
  AuthorityType,
  getCreateAssociatedTokenIdempotentInstruction,
  getMintSize,
  getSetAuthorityInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from "@solana-program/token";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type InProcessChain, openDevChain } from "../dev-chain/in-process.ts";
import { splitPool } from "../payout/split.ts";
import type { ChainPort, FrozenPlan, TokenTransfer } from "../port.ts";
import { fillLocalToken, localMint } from "./local-token.ts";
import { createRpc, type Rpc } from "./rpc.ts";
import { createSolanaChain } from "./solana-chain.ts";
import { tokenAccountOf, usableUnits } from "./token.ts";

const SOL = 1_000_000_000n;
const FINAL_AFTER = 4;
const SLOT_MS = 10;
const SLOW_MACHINE_MS = 60_000;
const POOL = 10_000_000_003n; // 10,000.000003 tokens: divides by nothing
const LEAST = 890_880n; // rent of an account without data

let dev: InProcessChain;
let rpc: Rpc;
let signer: KeyPairSigner;
let chain: ChainPort;
let mint: string;

const key = (n: number) => createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(1).fill(n, 0, 4));
const wallets = (many: number) =>
  Promise.all(Array.from({ length: many }, async (_, i) => (await key(i + 20)).address));
const shares = async (many: number) =>
  (await wallets(many)).map((wallet, i) => ({ address: wallet, frac64: 1_000_000 - i }));
const freeze = async (many: number, of: string | null, pool = POOL) =>
  chain.freezePayouts({
    ...{ crunch: "starter", checkpoint: "CKP_1", mint: of },
    transfers: splitPool(pool, await shares(many)),
  });
const transfersOf = ({ payload }: FrozenPlan) => ("transfers" in payload ? payload.transfers : []);
const held = async (wallet: string) =>
  usableUnits((await rpc.accounts([await tokenAccountOf(mint, wallet)]))[0] ?? null, mint, wallet);
const send = async (plan: FrozenPlan, n = 1) => {
  const attempt = await chain.sign(plan, n);
  await chain.broadcast(attempt);
  return attempt;
};

vi.setConfig({ testTimeout: SLOW_MACHINE_MS, hookTimeout: SLOW_MACHINE_MS });
beforeEach(async () => {
  dev = await openDevChain({ finalAfterSlots: FINAL_AFTER, slotMs: SLOT_MS });
  rpc = createRpc(dev.url, 5_000);
  signer = await key(7);
  dev.ledger.airdrop(signer.address, 20n * SOL);
  dev.ledger.skip(FINAL_AFTER + 1);
  chain = createSolanaChain({ rpcUrl: dev.url, signer });
  mint = await localMint();
});
afterEach(() => dev.close());

describe("payouts of a token", () => {
  beforeEach(() => fillLocalToken(rpc, signer.address, POOL));

  test("pay 24 wallets without token accounts exactly once, decimals and accounts frozen", async () => {
    const plans = await freeze(24, mint);
    expect(plans.length).toBeLessThanOrEqual(4);
    for (const { payload } of plans) expect(payload).toMatchObject({ token: { mint, decimals: 6 } });
    expect(await chain.shortfall(plans)).toBeNull();
    for (const plan of plans) {
      const { wire } = await send(plan);
      expect(Buffer.from(wire, "base64").length).toBeLessThanOrEqual(1232);
    }
    dev.ledger.skip(FINAL_AFTER);
    for (const plan of plans) {
      expect(await chain.observe(plan)).toMatchObject({ kind: "final" });
      await expect(chain.sign(plan, 2)).rejects.toMatchObject({ code: "MARKER_TAKEN" });
    }
    const transfers = plans.flatMap(transfersOf);
    expect(transfers).toHaveLength(24);
    expect(transfers.reduce((sum, t) => sum + BigInt(t.amount), 0n)).toBe(POOL);
    for (const { to, amount } of transfers) expect(await held(to)).toBe(BigInt(amount));
  });

  test("go on when somebody else makes a token account between freezing and paying", async () => {
    const [plan] = await freeze(3, mint);
    const [first] = transfersOf(plan!) as TokenTransfer[];
    // Another payout makes the account first; the frozen one finds it.
    const [other] = await chain.freezePayouts({
      ...{ crunch: "other", checkpoint: "CKP_1", mint, transfers: [{ to: first!.to, amount: "5" }] },
    });
    await send(other!);
    dev.ledger.skip(FINAL_AFTER);
    await send(plan!);
    dev.ledger.skip(FINAL_AFTER);
    expect(await held(first!.to)).toBe(5n + BigInt(first!.amount));
  });

  test("a token account that its wallet gave away has a batch of its own, last, and is not paid", async () => {
    const bad = (await key(21)).address;
    await giveAway(await key(21));
    const plans = await freeze(3, mint);
    expect(plans.map((plan) => transfersOf(plan).map((t) => t.to === bad))).toEqual([[false, false], [true]]);
    await send(plans[0]!);
    await expect(chain.sign(plans[1]!, 1)).rejects.toMatchObject({ code: "REFUSED" });
  });

  test("what lacks is said before anything is signed: units, and lamports for accounts and markers", async () => {
    const plans = await freeze(24, mint, POOL * 1_000n);
    expect(await chain.shortfall(plans)).toMatch(
      new RegExp(
        `payout batches need ${POOL * 1_000n} units of ${mint} .*holds ${POOL * 100n}: ${POOL * 900n} are missing`,
      ),
    );
    const poor = await key(9);
    const other = createSolanaChain({ rpcUrl: dev.url, signer: poor });
    const theirs = await other.freezePayouts({
      ...{ crunch: "c", checkpoint: "k", mint, transfers: [{ to: (await wallets(1))[0]!, amount: "1" }] },
    });
    // marker 897,840, token account 2,039,280, fee 5,000, and the payer's own least balance
    expect(await chain.shortfall(theirs)).toContain(
      `1 payout batch needs ${897_840n + 2_039_280n + 5_000n + LEAST} lamports and ${poor.address} holds 0`,
    );
    await expect(other.sign(theirs[0]!, 1)).rejects.toMatchObject({ code: "NO_FUNDS" });
  });

  test("only a mint of the token program is paid out", async () => {
    for (const not of [signer.address, "11111111111111111111111111111111", await tokenAccountOf(mint, signer.address)])
      await expect(freeze(2, not)).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining(not) });
  });
});

test("the local token is made once, however many ask for it at once", async () => {
  await Promise.all([1, 2, 3].map(() => fillLocalToken(rpc, signer.address, POOL)));
  expect(await held(signer.address)).toBe(POOL * 100n);
  await fillLocalToken(rpc, signer.address, POOL);
  expect(await held(signer.address)).toBe(POOL * 100n);
  const [account] = await rpc.accounts([mint]);
  expect(account).toMatchObject({ owner: TOKEN_PROGRAM_ADDRESS, space: BigInt(getMintSize()) });
});

describe("payouts of SOL", () => {
  test("a new wallet that would get less than an account has to hold comes last, alone, and is paid once it can be", async () => {
    const [a, dust, c] = await wallets(3);
    const transfers = [
      { to: a!, amount: String(LEAST) },
      { to: dust!, amount: "500000" },
      { to: c!, amount: "2000000" },
    ];
    const plans = await chain.freezePayouts({ crunch: "starter", checkpoint: "CKP_1", mint: null, transfers });
    expect(plans.map((plan) => transfersOf(plan).map((t) => t.to))).toEqual([[a, c], [dust]]);
    await send(plans[0]!);
    await expect(chain.sign(plans[1]!, 1)).rejects.toMatchObject({
      ...{ code: "REFUSED", message: expect.stringContaining(`${dust} would hold less than the least balance`) },
    });
    dev.ledger.airdrop(dust!, LEAST);
    dev.ledger.skip(FINAL_AFTER);
    await send(plans[1]!);
    dev.ledger.skip(FINAL_AFTER);
    expect(await rpc.balance(dust!)).toBe(LEAST + 500_000n);
  });

  test("a vault that no key signs for is paid like any wallet", async () => {
    const vault = await tokenAccountOf(mint, signer.address); // off the curve
    const transfers = [{ to: vault, amount: "3000000" }];
    const [plan] = await chain.freezePayouts({ crunch: "starter", checkpoint: "CKP_1", mint: null, transfers });
    await send(plan!);
    dev.ledger.skip(FINAL_AFTER);
    expect(await rpc.balance(vault)).toBe(3_000_000n);
  });
});

/** The wallet gives its token account to another one: it is nobody's associated account any more. */
async function giveAway(wallet: KeyPairSigner): Promise<void> {
  const ata = address(await tokenAccountOf(mint, wallet.address));
  const newAuthority = (await key(11)).address;
  const authorityType = AuthorityType.AccountOwner;
  await run(
    [signer, wallet],
    [
      getCreateAssociatedTokenIdempotentInstruction({ payer: signer, ata, owner: wallet.address, mint: address(mint) }),
      getSetAuthorityInstruction({ owned: ata, owner: wallet, authorityType, newAuthority }),
    ],
  );
}

async function run(signers: KeyPairSigner[], instructions: readonly Instruction[]): Promise<void> {
  const paid = setTransactionMessageFeePayer(signers[0]!.address, createTransactionMessage({ version: 0 }));
  const lived = setTransactionMessageLifetimeUsingBlockhash((await rpc.latestBlockhash()) as never, paid);
  const transaction = compileTransaction(appendTransactionMessageInstructions(instructions, lived));
  const keys = signers.map((one) => one.keyPair);
  await rpc.send(getBase64EncodedWireTransaction(await signTransaction(keys, transaction)));
  dev.ledger.skip(FINAL_AFTER);
}
