import { parentPort, workerData } from "node:worker_threads";
import { readArrow, readParquet } from "./tables.ts";
import { VariantError } from "./variant-error.ts";

// Reads one table, away from everything that must not stop: see table-reader.ts.
const { kind, bytes } = workerData as { kind: "PARQUET" | "ARROW"; bytes: Uint8Array };
try {
  const { columns } = kind === "PARQUET" ? await readParquet(bytes) : readArrow(bytes);
  parentPort?.postMessage({ columns });
} catch (error) {
  if (!(error instanceof VariantError)) throw error;
  parentPort?.postMessage({ problem: { code: error.code, message: error.message } });
}
