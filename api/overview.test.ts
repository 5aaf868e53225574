import { expect, it } from "vitest";
import { latencyOf } from "./overview.ts";

it("has no latency without rounds", () => {
  expect(latencyOf([])).toBeNull();
});

it("sums the way from record to store, and splits it", () => {
  const rounds = Array.from({ length: 20 }, (_, i) => ({ begin: 2, models: 5, collect: 10 + i }));
  expect(latencyOf(rounds)).toEqual({
    rounds: 20,
    p50_ms: 21,
    p95_ms: 30,
    stages: [
      { name: "begin", p50_ms: 2 },
      { name: "models", p50_ms: 5 },
      { name: "store", p50_ms: 14 },
    ],
  });
});

it("never shows more model time than the collection took", () => {
  expect(latencyOf([{ begin: 0, models: 50, collect: 10 }])?.stages.map((s) => s.p50_ms)).toEqual([0, 10, 0]);
});
