import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { askJson } from "./http-json.ts";
import type { Identity } from "./process-identity.ts";
import { FRUGAL_FLAGS, programPath } from "./program.ts";

const READY_WITHIN_MS = 30_000;
const TRY_MS = 2000;
const POLL_MS = 100;

const healthAnswer = z.object({ result: z.string() });

/** The reason why no healthy chain answers there; undefined when getHealth says ok. */
export async function chainProblem(url: string): Promise<string | undefined> {
  try {
    const ask = { jsonrpc: "2.0", id: 1, method: "getHealth" };
    const { status, body } = await askJson(url, { body: ask, withinMs: TRY_MS });
    const health = healthAnswer.safeParse(body);
    return health.success && health.data.result === "ok" ? undefined : `getHealth did not answer ok (HTTP ${status})`;
  } catch (error) {
    const { code, message, name } = error as NodeJS.ErrnoException;
    return name === "AbortError" ? `no answer within ${TRY_MS} ms` : message || String(code);
  }
}

/** Waits until the chain is healthy; throws with the last reason. */
export async function waitForChain(url: string, withinMs = READY_WITHIN_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const problem = await chainProblem(url);
    if (problem === undefined) return;
    if (Date.now() > deadline)
      throw new Error(`The chain at ${url} did not come up within ${withinMs / 1000} s: ${problem}`);
    await sleep(POLL_MS);
  }
}

/** Checks the chain that SOLANA_RPC_URL names. Throws with cause and cure. */
export async function checkChosenChain(url: string): Promise<void> {
  const problem = await chainProblem(url);
  if (problem !== undefined)
    throw new Error(
      `SOLANA_RPC_URL: no healthy chain answers at ${new URL(url).host}: ${problem}. Start it, correct SOLANA_RPC_URL, or unset it to let Almanac run a local chain.`,
    );
}

const PROGRAM = programPath("chain/dev-chain/main");

/** Arguments for Node that run the dev chain; its state is kept in `<dir>/chain`. */
export function chainArgs(options: { dir: string; port: number; slotMs: number; finalAfterSlots: number }): string[] {
  const { dir, ...rest } = options;
  return [...FRUGAL_FLAGS, PROGRAM, JSON.stringify({ dir: join(resolve(dir), "chain"), ...rest })];
}

/** The port in the command line of a dev chain. */
export function chainPortIn(identity: Identity | undefined): number | undefined {
  const value = /"port":(\d+)/.exec(identity?.command ?? "")?.[1];
  return value === undefined ? undefined : Number(value);
}
