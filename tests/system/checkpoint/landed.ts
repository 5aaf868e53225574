import { z } from "zod";
import type { CheckpointRow } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { batchesOf } from "../../../db/payouts.ts";
import { planOf } from "../../../db/submissions.ts";
import type { cellShape } from "./crash-cells.ts";
import { ask, type Program, run } from "./processes.ts";
import { expectedOf } from "./world.ts";

// What a chain says, asked without any client of ours.
const history = z.array(z.object({ signature: z.string(), err: z.unknown() }));
const balance = z.object({ value: z.number().int() });
const statuses = z.object({ value: z.tuple([z.looseObject({ err: z.unknown() }).nullable()]) });

/** Signatures of the transactions that took effect on an address. */
export async function effectsOn(url: string, address: string): Promise<string[]> {
  const found = history.parse(await ask(url, "getSignaturesForAddress", address, { commitment: "confirmed" }));
  return found.filter(({ err }) => err === null).map(({ signature }) => signature);
}

/** The transactions that took effect for a checkpoint: its emission's, and how many for each batch of its payouts. */
export async function effects(
  url: string,
  db: Database,
  id: string,
): Promise<{ emission: string[]; payouts: number[] }> {
  const plan = await planOf(db, id, 0);
  const batches = await batchesOf(db, id);
  return {
    emission: plan ? await effectsOn(url, plan.key.address) : [],
    payouts: await Promise.all(batches.map(async ({ marker }) => (await effectsOn(url, marker)).length)),
  };
}

/** Recipients that have another amount than the checkpoint gives them, with what they have. `expected` false: nobody may have got anything. */
export async function exactlyPaid(url: string, row: CheckpointRow, expected = true): Promise<[string, number][]> {
  const transfers = expectedOf(row);
  const got = await Promise.all(
    transfers.map(async ({ to, amount }): Promise<[string, number, number]> => {
      const { value } = balance.parse(await ask(url, "getBalance", to, { commitment: "confirmed" }));
      return [to, value, expected ? Number(amount) : 0];
    }),
  );
  return got.filter(([, has, ought]) => has !== ought).map(([to, has]) => [to, has]);
}

export const statusOf = async (url: string, signature: string) =>
  statuses.parse(await ask(url, "getSignatureStatuses", [signature], { searchTransactionHistory: true })).value[0];

type Cells = Record<string, z.input<typeof cellShape>>;
interface Servers {
  address: string;
  namespace: string;
  bundle: { codePath: string };
}

/** A worker process of its own over one database; `cells` say where each checkpoint's chain is, and where the worker dies. */
export function startWorker(
  { url }: { url: string },
  { address, namespace, bundle }: Servers,
  cells: Cells,
  more: { approvesItself?: boolean } = {},
): Program {
  const settings = { url, address, namespace, codePath: bundle.codePath, ...more };
  return run("crash-worker.ts", settings, { CELLS: JSON.stringify(cells) });
}
