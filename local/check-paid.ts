/** `npm run check:paid`: the next checkpoint that the running node pays changes its recipients' balances by exactly its emission. */
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { splitPool } from "../chain/payout/split.ts";
import { createRpc } from "../chain/solana/rpc.ts";
import { tokenAccountOf, usableUnits } from "../chain/solana/token.ts";
import { poolOf } from "../workers/payout-pool.ts";
import { chainPortIn } from "./chain.ts";
import { readLiving } from "./pid-files.ts";
import { readLocalSettings } from "./settings.ts";

const WITHIN_MS = 600_000;
const POLL_MS = 500;
const TIMEOUT_MS = 10_000;

const reward = z.object({ cruncher_index: z.number().int(), reward_pct: z.number().int() });
const recipient = z.object({ name: z.string(), address: z.string(), cruncher_index: z.number().int() });
const listed = z.object({
  id: z.string(),
  status: z.enum(["PENDING", "SUBMITTED", "CLAIMABLE", "PAID", "VOID"]),
  tx_hash: z.string().nullable(),
  entries: z.array(z.object({ cruncher_rewards: z.array(reward) })),
  meta: z.object({ recipients: z.array(recipient) }),
});
type Listed = z.output<typeof listed>;

const root = resolve(import.meta.dirname, "..");
const { config } = readLocalSettings(root);
const chainPort =
  chainPortIn(readLiving(join(resolve(root, config.ALMANAC_DIR), "pids", "chain.json"))) ?? config.DEV_CHAIN_PORT;
const api = process.argv[2] ?? `http://localhost:${config.REPORT_API_PORT}`;
const rpcUrl = process.argv[3] ?? config.SOLANA_RPC_URL ?? `http://127.0.0.1:${chainPort}`;
const rpc = createRpc(rpcUrl, TIMEOUT_MS);
const pool = await poolOf(config);
const deadline = Date.now() + WITHIN_MS;

async function checkpoints(): Promise<Listed[]> {
  const headers = config.API_KEY ? { "x-api-key": config.API_KEY } : {};
  const answer = await fetch(`${api}/reports/checkpoints?limit=20`, {
    headers,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new Error(`${api} does not answer; is the node running? Start it: npm start`, { cause });
  });
  if (!answer.ok) throw new Error(`${api} answered ${answer.status}`);
  return z.array(listed).parse(await answer.json());
}

/** Asks until there is an answer. Throws when the time is over. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`no ${what} within ${WITHIN_MS / 60_000} minutes`);
    await sleep(POLL_MS);
  }
}

/** A sealed one with recipients that is not paid yet, while no other may be paying the same people. */
const nextUnpaid = () =>
  until("checkpoint with somebody to pay", async () => {
    const unpaid = (await checkpoints()).filter((c) => c.status !== "PAID");
    const [only] = unpaid.length === 1 ? unpaid : [];
    return only && only.status !== "CLAIMABLE" && only.meta.recipients.length > 0 ? only : undefined;
  });

/** Lamports, or units of the token that the node pays. */
async function balance(wallet: string): Promise<bigint> {
  if (pool.mint === null) return rpc.balance(wallet, "finalized");
  const { accounts } = await rpc.finalizedAccounts([await tokenAccountOf(pool.mint, wallet)]);
  const units = usableUnits(accounts[0] ?? null, pool.mint, wallet);
  if (units === "unusable") throw new Error(`the token account of ${wallet} is frozen, or not its own`);
  return units ?? 0n;
}

const balances = (of: Listed) => Promise.all(of.meta.recipients.map(({ address }) => balance(address)));

const row = (...columns: unknown[]) =>
  console.log(columns.map((c, i) => (i === 0 ? String(c).padEnd(24) : String(c).padStart(18))).join(""));

async function main(): Promise<number> {
  console.log(`waiting for the next checkpoint of ${api}, balances from ${rpcUrl}`);
  const sealed = await nextUnpaid();
  const before = await balances(sealed);
  console.log(`${sealed.id} is ${sealed.status}; ${before.length} recipients; waiting until it is PAID`);
  const paid = await until("PAID", async () =>
    (await checkpoints()).find((c) => c.id === sealed.id && c.status === "PAID"),
  );
  const after = await balances(paid);
  const rewards = new Map(
    paid.entries.flatMap((entry) => entry.cruncher_rewards).map((r) => [r.cruncher_index, r.reward_pct]),
  );
  const shares = paid.meta.recipients.map((r) => ({ address: r.address, frac64: rewards.get(r.cruncher_index) ?? 0 }));
  const expected = new Map(splitPool(pool.units, shares).map((t) => [t.to, BigInt(t.amount)]));
  let wrong = 0;
  row("cruncher", "share of 1e9", "emission says", "balance grew by", "");
  for (const [i, { name, address }] of paid.meta.recipients.entries()) {
    const grew = after[i]! - before[i]!;
    const right = grew === (expected.get(address) ?? 0n);
    if (!right) wrong++;
    row(name, shares[i]!.frac64, expected.get(address) ?? 0n, grew, right ? "equal" : "DIFFERS");
  }
  const total = after.reduce((sum, b, i) => sum + b - before[i]!, 0n);
  row(
    "all",
    shares.reduce((sum, s) => sum + s.frac64, 0),
    pool.units,
    total,
    total === pool.units ? "equal" : "DIFFERS",
  );
  console.log(`${paid.id} submitted in ${paid.tx_hash}`);
  return wrong > 0 || total !== pool.units ? 1 : 0;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(
    error instanceof Error ? `${error.message}${error.cause ? ` (${String(error.cause)})` : ""}` : String(error),
  );
  return 1;
});
