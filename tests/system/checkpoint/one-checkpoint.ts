import { expect } from "vitest";
import { z } from "zod";
import { checkpointId } from "../../../domain/ids.ts";
import type { Crash } from "./crash-cells.ts";
import { effects, exactlyPaid } from "./landed.ts";
import { run } from "./processes.ts";
import { PERIOD, type Store, submitter, until } from "./world.ts";

/** The checkpoint of the one period that a test looks at. */
export const id = checkpointId(PERIOD.endMs);
export const WITHIN_MS = 120_000;

const started = z.object({ endpoints: z.tuple([z.object({ rpcUrl: z.string(), honestUrl: z.string() })]) });

/** A dev chain in a process of its own, with a funded submitter. */
export async function startChain() {
  const settings = { chains: [{ slotMs: 50, finalAfterSlots: 20 }], fund: (await submitter()).address };
  const program = run("chains-process.ts", settings);
  return started.parse(JSON.parse(await program.said("ready"))).endpoints[0];
}
type Chain = Awaited<ReturnType<typeof startChain>>;

export const cells = (chain: Chain, crash: Crash, pauses = false) => ({
  [id]: { ...chain, crash, fault: "none" as const, pauses },
});

/** One emission, exact payments, and the transaction that is shown is the one that landed. */
export async function expectPaidOnce({ honestUrl }: Chain, { db }: Pick<Store, "db">): Promise<void> {
  const row = await until(db, PERIOD, (r) => r.phase === "PAID", WITHIN_MS);
  expect(await exactlyPaid(honestUrl, row)).toEqual([]);
  expect(await effects(honestUrl, db, id)).toEqual({ emission: [row.tx_hash], payouts: [1] });
}
