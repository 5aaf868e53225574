import { parentPort, workerData } from "node:worker_threads";
import { type AnalysisJob, analyseHere } from "./analysis.ts";

// Computes one job and ends: see analysis.ts.
parentPort?.postMessage(analyseHere(workerData as AnalysisJob));
