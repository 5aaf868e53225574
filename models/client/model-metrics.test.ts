import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CallResult } from "./fleet.ts";
import { createLatencyHistogram } from "./latency-histogram.ts";
import { createFleetMetrics } from "./model-metrics.ts";

describe("a histogram of times", () => {
  test("quantiles are within 5 % of the exact ones, whatever was added", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 10, max: 600_000_000 }), { minLength: 1, maxLength: 300 }), (times) => {
        const histogram = createLatencyHistogram();
        for (const time of times) histogram.add(time);
        const sorted = times.toSorted((a, b) => a - b);
        const exact = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
        const { count, p50, p95, p99, max } = histogram.summary()!;
        expect([count, max]).toEqual([times.length, sorted.at(-1)]);
        for (const [got, share] of [
          [p50, 0.5],
          [p95, 0.95],
          [p99, 0.99],
        ] as const)
          expect(Math.abs(got / exact(share) - 1)).toBeLessThan(0.06);
      }),
    );
  });

  test("the shortest times are not rounded away", () => {
    const histogram = createLatencyHistogram();
    for (const time of [11, 11, 5_000]) histogram.add(time);
    expect(Math.abs(histogram.summary()!.p50 / 11 - 1)).toBeLessThan(0.06);
  });

  test("nothing added is nothing; below and above its range it still answers", () => {
    const histogram = createLatencyHistogram();
    expect(histogram.summary()).toBeNull();
    histogram.add(-5);
    expect(histogram.summary()).toEqual({ count: 1, p50: 0, p95: 0, p99: 0, max: 0 });
    histogram.add(1e12);
    expect(histogram.summary()).toMatchObject({ count: 2, max: 1e12 });
  });
});

const result = (more: Partial<CallResult> = {}): CallResult => ({
  modelId: "a",
  deploymentId: "d1",
  modelName: "A",
  cruncherName: "C",
  cruncherId: "c",
  status: "SUCCESS",
  output: null,
  execTimeUs: 1_000,
  waitUs: null,
  detail: null,
  ...more,
});

describe("metrics of a fleet", () => {
  test("statuses are counted; calls that were not made have no time", () => {
    const metrics = createFleetMetrics();
    metrics.record(result());
    metrics.record(result({ status: "FAILURE", execTimeUs: 2_000 }));
    metrics.record(result({ status: "SKIPPED", execTimeUs: 0 }));
    metrics.record(result({ detail: "ALREADY_DELIVERED", execTimeUs: 0 }));
    metrics.record(result({ deploymentId: "", status: "SKIPPED", modelId: "stranger" }));
    const [only, ...rest] = metrics.list();
    expect(rest).toEqual([]);
    expect(only).toMatchObject({
      calls: { SUCCESS: 2, FAILURE: 1, TIMEOUT: 0, SKIPPED: 1 },
      latencyUs: { count: 2, max: 2_000 },
      waitUs: null,
      computeUs: null,
    });
  });

  test("wait and compute are told apart where the runner tells; a timeout has no compute", () => {
    const metrics = createFleetMetrics();
    metrics.record(result({ execTimeUs: 3_000, waitUs: 500 }));
    metrics.record(result({ status: "TIMEOUT", execTimeUs: 0, waitUs: 1_000_000 }));
    expect(metrics.list()[0]).toMatchObject({
      latencyUs: { count: 2, max: 1_000_000 },
      waitUs: { count: 2, max: 1_000_000 },
      computeUs: { count: 1, max: 3_000 },
    });
  });

  test("a new deployment begins anew; models that are gone are forgotten", () => {
    const metrics = createFleetMetrics();
    metrics.record(result());
    metrics.record(result({ deploymentId: "d2" }));
    expect(metrics.list()).toMatchObject([{ deploymentId: "d2", calls: { SUCCESS: 1 } }]);
    metrics.record(result({ modelId: "b" }));
    metrics.keep(new Set(["b"]));
    expect(metrics.list().map(({ modelId }) => modelId)).toEqual(["b"]);
  });
});
