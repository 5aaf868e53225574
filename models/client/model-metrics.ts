import type { CallResult, CallStatus } from "./fleet.ts";
import { createLatencyHistogram, type LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";

/** What the calls of one deployment came to; a new deployment begins anew. */
export interface ModelMetrics {
  readonly modelId: string;
  readonly deploymentId: string;
  readonly calls: Readonly<Record<CallStatus, number>>;
  /** until the answer, queues and way included; calls that were not made are in none of the times */
  readonly latencyUs: LatencySummary | null;
  /** in queues and on the way; null where the runner does not tell (public runners) */
  readonly waitUs: LatencySummary | null;
  /** inside the model's method; null where the runner does not tell */
  readonly computeUs: LatencySummary | null;
}
/** Figures of a fleet, bounded: a few fixed histograms a model, nothing of models that are gone. */
export interface FleetMetrics {
  record(result: CallResult): void;
  /** Forgets all but these. */
  keep(modelIds: ReadonlySet<string>): void;
  list(): ModelMetrics[];
}

/** Times of a call that was made, in microseconds; null: not known. How long a timeout would have taken nobody knows. */
export function timesOf({ status, execTimeUs, waitUs }: Pick<CallResult, "status" | "execTimeUs" | "waitUs">): {
  latencyUs: number;
  waitUs: number | null;
  computeUs: number | null;
} {
  if (waitUs === null) return { latencyUs: execTimeUs, waitUs, computeUs: null };
  if (status === "TIMEOUT") return { latencyUs: Math.max(execTimeUs, waitUs), waitUs, computeUs: null };
  return { latencyUs: execTimeUs + waitUs, waitUs, computeUs: execTimeUs };
}

interface Figures {
  readonly deploymentId: string;
  readonly calls: Record<CallStatus, number>;
  readonly latency: LatencyHistogram;
  readonly wait: LatencyHistogram;
  readonly compute: LatencyHistogram;
}

export function createFleetMetrics(): FleetMetrics {
  const models = new Map<string, Figures>();

  function figuresOf({ modelId, deploymentId }: CallResult): Figures {
    const known = models.get(modelId);
    if (known?.deploymentId === deploymentId) return known;
    const fresh: Figures = {
      deploymentId,
      calls: { SUCCESS: 0, FAILURE: 0, TIMEOUT: 0, SKIPPED: 0 },
      latency: createLatencyHistogram(),
      wait: createLatencyHistogram(),
      compute: createLatencyHistogram(),
    };
    models.set(modelId, fresh);
    return fresh;
  }

  return {
    record(result) {
      const { status, detail } = result;
      if (result.deploymentId === "") return; // a stranger
      const figures = figuresOf(result);
      figures.calls[status]++;
      if (status === "SKIPPED" || detail === "ALREADY_DELIVERED") return;
      const { latencyUs, waitUs, computeUs } = timesOf(result);
      figures.latency.add(latencyUs);
      if (waitUs !== null) figures.wait.add(waitUs);
      if (computeUs !== null) figures.compute.add(computeUs);
    },
    keep(modelIds) {
      for (const id of models.keys()) if (!modelIds.has(id)) models.delete(id);
    },
    list: () =>
      [...models].map(([modelId, { deploymentId, calls, latency, wait, compute }]) => ({
        modelId,
        deploymentId,
        calls: { ...calls },
        latencyUs: latency.summary(),
        waitUs: wait.summary(),
        computeUs: compute.summary(),
      })),
  };
}
