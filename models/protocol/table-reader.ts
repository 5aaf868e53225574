import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { z } from "zod";
import { MAX_TABLE_BYTES, Table } from "./tables.ts";
import { VariantError } from "./variant-error.ts";

const READ_MS = 2_000;
const LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };

const answer = z.union([
  z.object({ columns: z.array(z.object({ name: z.string(), values: z.array(z.unknown()) })) }),
  z.object({ problem: z.object({ code: z.enum(["BAD_TABLE", "TOO_LARGE"]), message: z.string() }) }),
]);

let last: Promise<unknown> = Promise.resolve();

/**
 * A table from an untrusted peer, read in a thread of its own: the libraries that read such files can be made to run for ever, and to throw where
 * nobody can catch it (both seen under fuzzing). A new thread each, so that no file reaches another; one at a time, at most 2 s and 256 MiB.
 * @throws VariantError BAD_TABLE, TOO_LARGE
 */
export function readTable(kind: "PARQUET" | "ARROW", bytes: Uint8Array): Promise<Table> {
  if (bytes.length > MAX_TABLE_BYTES)
    return Promise.reject(new VariantError("TOO_LARGE", `${bytes.length} bytes of table, at most ${MAX_TABLE_BYTES}`));
  const mine = last.then(() => read(kind, bytes));
  last = mine.catch(() => undefined);
  return mine;
}

async function read(kind: "PARQUET" | "ARROW", bytes: Uint8Array): Promise<Table> {
  const worker = new Worker(new URL(`./table-worker${extname(import.meta.url)}`, import.meta.url), {
    resourceLimits: LIMITS,
    workerData: { kind, bytes },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const message = await new Promise<unknown>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`reading took longer than ${READ_MS} ms`)), READ_MS);
      worker.on("message", resolve).on("error", reject).on("messageerror", reject);
      worker.on("exit", () => reject(new Error("the reader ended")));
    });
    const found = answer.parse(message);
    if ("columns" in found) return new Table(found.columns);
    const { code, message: why } = found.problem;
    throw new VariantError(code, why.slice(code.length + 2));
  } catch (error) {
    if (error instanceof VariantError) throw error;
    throw new VariantError("BAD_TABLE", `not a readable ${kind} table (${(error as Error).message.slice(0, 120)})`);
  } finally {
    clearTimeout(timer);
    void worker.terminate();
  }
}
