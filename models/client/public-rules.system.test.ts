import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { type Announcer, entryOf, startAnnouncer } from "../fixtures/announce.ts";
import { type FakeRunner, startFakeRunner } from "../fixtures/fake-runner.ts";
import { connected, until } from "../fixtures/test-fleet.ts";
import type { CallResponse } from "../protocol/messages.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import { encodeVariant } from "../protocol/variant.ts";
import type { FleetCall } from "./fleet.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
async function runner(...options: Parameters<typeof startFakeRunner>): Promise<FakeRunner> {
  const made = await startFakeRunner(...options);
  ending.push(() => made.close());
  return made;
}
async function announce(...entries: DeploymentEvent[]): Promise<Announcer> {
  const made = await startAnnouncer(entries);
  ending.push(() => made[Symbol.asyncDispose]());
  return made;
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as {
  // biome-ignore lint/suspicious/noExplicitAny: each kind of case has its own shape
  cases: { name: string; fn: string; input: any; expected: { client: { steps: any[] } } }[];
};

describe("what a failed connection means", () => {
  /** The peer's outcome of a connection, made by a real runner, or by nobody. */
  async function portFor(result: { ok?: boolean; error?: string; raises?: string } | undefined): Promise<number> {
    const setup = (code: string) => runner({ setup: { code, message: "said the runner" } });
    if (result?.raises) return (await setup("INVALID_ARGUMENT")).port;
    if (result?.error === "BAD_IMPLEMENTATION") return (await setup("BAD_IMPLEMENTATION")).port;
    if (result?.error === "FAILED") return (await setup("SETUP_FAILED")).port;
    if (result && !result.ok) return 1;
    return (await runner()).port;
  }
  const failing = cases.filter(
    ({ fn, input }) => fn === "ModelCluster.handle_event" && Object.keys(input.connect_results).length > 0,
  );

  test.each(failing.map((c) => [c.name, c] as const))("%s", async (_name, { input, expected }) => {
    const [message] = input.messages.map((text: string) => JSON.parse(text));
    const entries: DeploymentEvent[] = await Promise.all(
      message.data.map(async (entry: DeploymentEvent) => ({
        ...entry,
        ip: "127.0.0.1",
        port: await portFor(input.connect_results[entry.model_id]),
      })),
    );
    const orchestrator = await announce(...entries);
    const client = await orchestrator.connect({
      connectTries: 1,
      connectTimeoutMs: 1_000,
      reportFailures: input.report_failure !== false,
    });
    const isAborted = Object.values<{ error?: string }>(input.connect_results).some(({ error }) => error === "ABORTED");
    if (isAborted)
      await client[Symbol.asyncDispose](); // while it connects
    else
      await until(
        () => client.models().map(({ state }) => state),
        (states) => !states.includes("CONNECTING"),
      );
    const [step] = expected.client.steps;
    const sent = step.sent.flatMap((text: string) => JSON.parse(text).data);
    await until(
      () => orchestrator.reports.length,
      (count) => count >= sent.length,
    );
    await sleep(100); // one report too many would be here by now
    expect(orchestrator.reports.map(({ model_id, failure_code }) => [model_id, failure_code])).toEqual(
      sent.map(({ model_id, failure_code }: DeploymentEvent & { failure_code: string }) => [model_id, failure_code]),
    );
    for (const report of orchestrator.reports)
      expect(report).toMatchObject({ deployment_id: "d1", failure_reason: expect.stringMatching(/\S/) });
    const active = client.models().filter(({ state }) => state === "CONNECTED");
    expect(active.map(({ modelId }) => modelId)).toEqual(step.active.map(([modelId]: [string]) => modelId));
  });
});

const ask: FleetCall = { method: "predict", args: [{ type: "STRING", value: "BTC" }] };
const _tick = (key: string): FleetCall => ({ method: "tick", args: [{ type: "JSON", value: { key } }], key });
const hang = () => new Promise<never>(() => undefined);
const value = (given: number): CallResponse => ({ methodResponse: encodeVariant("DOUBLE", given) });

describe("the public client's rules through real calls, under compat", () => {
  const answers: Record<string, () => Promise<CallResponse>> = {
    success: async () => value(1.5),
    failed: async () => ({ status: { code: "MODEL_FAILED", message: "no" } }),
    "bad-implementation": async () => ({ status: { code: "BAD_IMPLEMENTATION", message: "no" } }),
    "decode-error": async () => ({ methodResponse: { type: 1, value: Buffer.alloc(3) } }),
    timeout: hang,
    "timeout-and-unhealthy": hang,
    "grpc-deadline": async () => Promise.reject({ code: status.DEADLINE_EXCEEDED, details: "Deadline Exceeded" }),
    "grpc-unavailable": async () => Promise.reject({ code: status.UNAVAILABLE, details: "connection refused" }),
    "grpc-busy": async () => Promise.reject({ code: status.RESOURCE_EXHAUSTED, details: "Server busy" }),
    "usage-error": async () => ({ status: { code: "INVALID_ARGUMENT", message: "no" } }),
  };
  // An authentication that fails needs TLS, a surprise inside the client has no cause outside of it.
  const rules = cases.filter(
    ({ name, input }) => name.startsWith("rules/") && input.outcomes.every((outcome: string) => outcome in answers),
  );

  test.each(rules.map((c) => [c.name, c] as const))("%s", async (_name, { input, expected }) => {
    const model = await runner();
    const orchestrator = await announce(entryOf("m1", model.port));
    const client = await orchestrator.connect({
      compat: "model-runner-client",
      maxConsecutiveFailures: input.max_consecutive_failures,
      maxConsecutiveTimeouts: input.max_consecutive_timeouts,
    });
    await connected(client, ["m1"]);
    for (const [i, outcome] of (input.outcomes as string[]).entries()) {
      const step = expected.client.steps[i];
      model.answer = answers[outcome]!;
      model.healthy = !outcome.includes("unhealthy");
      const probes = model.probes;
      const [result] = (await client.callAll({ calls: [ask], deadlineMs: 250 })).get("m1")!;
      const skips = /PREEMPTIVE_SKIP/.test(step.result.detail ?? "");
      // FAILED is our FAILURE, a counted skip our SKIPPED.
      const shown = step.result.status === "FAILED" ? "FAILURE" : skips ? "SKIPPED" : step.result.status;
      expect(result).toMatchObject({ status: shown, output: step.result.value });
      if (skips) expect(result!.detail).toBe(step.result.detail);
      const isProbed = i > 0 && expected.client.steps[i - 1].timeouts > 0 && shown !== "SUCCESS" && shown !== "FAILURE";
      if (isProbed)
        await until(
          () => model.probes,
          (now) => now > probes,
        );
      if (step.sent.length > 0) {
        // The peer goes on calling a model that it has reported; ours has let it go.
        await until(
          () => orchestrator.reports,
          (reports) => reports.length > 0,
        );
        expect(orchestrator.reports[0]!.failure_code).toBe(JSON.parse(step.sent[0]).data[0].failure_code);
        return;
      }
      if (step.reconnected) {
        await until(
          () => model.setups,
          (setups) => setups > 1,
        );
        return;
      }
      await sleep(isProbed ? 150 : 20); // the answer about its health is on its way
    }
    expect(orchestrator.reports).toEqual([]);
  });
});
