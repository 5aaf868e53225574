import { describe, expect, it } from "vitest";
import { feedState, missingOf } from "./readiness.ts";

describe("missingOf", () => {
  it("names what fails, what throws and what hangs, and nothing else", async () => {
    const missing = await missingOf(
      {
        fine: async () => null,
        schema: async () => "is old",
        database: async () => Promise.reject(new Error("connection refused")),
        refused: async () => Promise.reject(new AggregateError([new Error("connect ECONNREFUSED ::1")])),
        temporal: () => new Promise(() => undefined),
      },
      20,
    );
    expect(missing).toEqual([
      { what: "schema", why: "is old" },
      { what: "database", why: "connection refused" },
      { what: "refused", why: "connect ECONNREFUSED ::1" },
      { what: "temporal", why: "no answer within 20 ms" },
    ]);
  });
});

describe("feedState", () => {
  it.each([
    [null, 1_000, "empty"],
    [0, 1_000, "live"],
    [3_000, 1_000, "live"],
    [3_001, 1_000, "late"],
    [12_001, 1_000, "stale"],
    [60_000, 60_000, "live"],
    [100_000, 60_000, "late"],
    [130_001, 60_000, "stale"],
  ])("age %s of records of %s ms: %s", (age, length, state) => {
    expect(feedState(age, length)).toBe(state);
  });
});
