import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createLimits, type Limits } from "./limits.ts";

describe("limits", () => {
  test.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
  ])("after %i timeouts in a row the next %i fan-outs are skipped", (timeouts, skips) => {
    const limits = createLimits(10, 10);
    for (let i = 1; i <= timeouts; i++) {
      while (limits.skip()) expect(i).toBeGreaterThan(1);
      limits.timeout();
    }
    let skipped = 0;
    while (limits.skip()) skipped++;
    expect(skipped).toBe(skips);
    expect(limits.coolingDown()).toBe(false);
  });

  test("the tenth real failure reaches the limit, a success begins anew, skips count for nothing", () => {
    const limits = createLimits(10, 10);
    const nine = Array.from({ length: 9 }, () => limits.failure());
    expect(nine).not.toContain(true);
    limits.success();
    expect(Array.from({ length: 10 }, () => limits.failure())).toEqual([...nine, true]);
    const timeouts = createLimits(10, 10);
    for (let real = 1; real <= 9; real++) {
      while (timeouts.skip()) expect(timeouts.skipped()).toBe(false);
      expect(timeouts.timeout()).toBe(false);
    }
    expect(timeouts.timeout()).toBe(true);
  });

  test("0 never disconnects", () => {
    const limits = createLimits(0, 0);
    expect(Array.from({ length: 100 }, () => limits.failure() || limits.timeout())).not.toContain(true);
  });

  test.each([
    [0, [1, 2, 3, 4, 5, 6]],
    [3, [1, 2, 3, 4, 5, 6]],
    [10, [2, 4, 6]],
    [15, [3, 6]],
  ])("with a limit of %i the health is asked at timeouts %j", (max, asked) => {
    const limits = createLimits(10, max);
    expect(limits.probeDue()).toBe(false);
    const due = [1, 2, 3, 4, 5, 6].filter(() => {
      limits.timeout();
      return limits.probeDue();
    });
    expect(due).toEqual(asked);
  });
});

interface Case {
  name: string;
  fn: string;
  input: {
    calls?: string[];
    outcomes?: string[];
    max_consecutive_failures: number;
    max_consecutive_timeouts: number;
  };
  expected: {
    client: {
      steps: {
        skipped: boolean;
        consecutive_timeouts: number;
        sent: string[];
        reconnected: boolean;
        timeouts: number;
        result: { detail: string | null } | null;
      }[];
    };
  };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as { cases: Case[] };
const named = (prefix: string) => cases.filter((c) => c.name.startsWith(prefix)).map((c) => [c.name, c] as const);

const compat = (failures: number, timeouts: number): Limits => createLimits(failures, timeouts, "model-runner-client");

describe("the public client's rules, under compat", () => {
  test.each(named("cooldown/"))("%s", (_name, { input, expected }) => {
    const limits = compat(0, 0);
    const steps = input.calls!.map((call) => {
      const skipped = limits.skip();
      if (skipped) limits.skipped();
      else if (call === "call-works") limits.success();
      else limits.timeout();
      return { skipped, consecutive_timeouts: limits.timeouts() };
    });
    expect(expected.client.steps).toMatchObject(steps);
  });

  /** One call as the public client judges it: the failure codes reported, whether it reconnects. */
  function call(limits: Limits, outcome: string): { skipped: boolean; codes: string[]; reconnected: boolean } {
    const skipped = limits.skip();
    if (skipped || /timeout|grpc/.test(outcome)) {
      const reconnected = limits.probeDue() && /unhealthy/.test(outcome);
      const over = !reconnected && (skipped ? limits.skipped() : limits.timeout());
      return { skipped, codes: over ? ["MULTIPLE_TIMEOUT"] : [], reconnected };
    }
    if (outcome === "success") limits.success();
    const over = /failed|decode/.test(outcome) && limits.failure();
    return { skipped, codes: over ? ["MULTIPLE_FAILED"] : [], reconnected: false };
  }
  // What else may be reported says nothing of counting: models/client/lane.test.ts has those.
  const counted = named("rules/").filter(([, c]) => !c.input.outcomes!.some((o) => /auth|implementation/.test(o)));

  test.each(counted)("%s", (_name, { input, expected }) => {
    const limits = compat(input.max_consecutive_failures, input.max_consecutive_timeouts);
    let reconnected = false;
    for (const [i, outcome] of input.outcomes!.entries()) {
      const step = expected.client.steps[i]!;
      const made = call(limits, outcome);
      reconnected ||= made.reconnected;
      expect(made.codes).toEqual(step.sent.map((text) => JSON.parse(text).data[0].failure_code));
      expect(made.skipped).toBe(step.result?.detail?.startsWith("PREEMPTIVE_SKIP") ?? false);
      expect(reconnected).toBe(step.reconnected);
      expect(limits.timeouts()).toBe(step.timeouts);
    }
  });

  test("none of it without compat", () => {
    const limits = createLimits(3, 3);
    limits.timeout();
    expect([limits.skip(), limits.skipped(), limits.timeouts(), limits.skip()]).toEqual([true, false, 1, false]);
    expect([limits.timeout(), limits.timeout()]).toEqual([false, true]);
  });
});
