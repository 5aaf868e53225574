import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { peerMetricsOf } from "../domain/compat/metrics.ts";
import type { ScoreMatrix } from "../domain/matrix.ts";
import type { EnsembleWeights } from "../domain/metrics/field.ts";
import { computeMetrics } from "../domain/metrics/registry.ts";
import { type BoardJob, type RankedBoard, rankBoard } from "./board-ranks.ts";

/** What is computed from one matrix. Plain data: it is sent to a thread. */
export interface AnalysisJob {
  matrix: ScoreMatrix;
  metrics: readonly string[];
  ensembles: readonly EnsembleWeights[];
  /** metrics as the public node gives them */
  asPeer?: boolean;
  /** absent: metrics only */
  board?: BoardJob;
}
/** model → metric → value */
export type MetricTable = ReadonlyMap<string, Readonly<Record<string, number>>>;
interface Analysis {
  metrics: MetricTable;
  board: RankedBoard | null;
}

/** Smaller than this is done at once: a thread costs 50 ms. */
const SMALL_CELLS = 20_000;
/** A thread that takes longer has gone wrong; whoever asked tries again. */
const LIMIT_MS = 120_000;

/** Pure: the same job gives the same numbers to the last bit. */
export function analyseHere({ matrix, metrics: names, ensembles, asPeer, board }: AnalysisJob): Analysis {
  const metrics = asPeer ? peerMetricsOf(names, matrix) : computeMetrics(names, matrix, ensembles);
  return { metrics, board: board ? rankBoard(board, metrics, matrix) : null };
}

/** Computes in a thread of its own where it is much, so that the process goes on answering. The matrix is handed over, not copied. */
export const analyse = (job: AnalysisJob): Promise<Analysis> =>
  job.matrix.value.length <= SMALL_CELLS ? Promise.resolve(analyseHere(job)) : analyseInThread(job);

export async function analyseInThread(job: AnalysisJob): Promise<Analysis> {
  const { actual, predicted, value, dueMs } = job.matrix;
  const worker = new Worker(new URL(`./analysis-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: job,
    transferList: [actual, predicted, value, dueMs].map((array) => array.buffer as ArrayBuffer),
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Analysis>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`metrics took longer than ${LIMIT_MS} ms`)), LIMIT_MS);
      worker.on("message", resolve).on("error", reject);
      worker.on("exit", (code) => reject(new Error(`the thread that computes metrics ended with ${code}`)));
    });
  } finally {
    clearTimeout(timer);
    void worker.terminate();
  }
}
