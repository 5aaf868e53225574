import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { CRUNCH, fixture } from "../../models/fixtures/test-fleet.ts";
import type { VariantType } from "../../models/protocol/variant.ts";
import { listenTo } from "./event-listener.ts";
import { exchanged } from "./exchanges.ts";
import { type OurFleet, startOurFleet } from "./our-fleet.ts";
import { type PublicClient, startPublicClient } from "./public-client.ts";
import { BASE, behaviour, known, packages, running, startPublicSession } from "./public-session.ts";
import { eventually } from "./waiting.ts";

/** What the public client makes of our faults, and our orchestrator of its reports; `python` has model-runner-client. */
export function publicClientAndFaults(python: string): void {
  let fleet: OurFleet;
  let client: PublicClient;
  const start = async (
    ...options: [ids: readonly string[], limits?: { maxFailures?: number; maxTimeouts?: number }]
  ) => {
    ({ fleet, client } = await startPublicSession(python, ...options));
  };
  const stop = async () => {
    await client?.[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
  };

  describe("model-runner-client over our orchestrator and runner: faults", () => {
    afterEach(stop);

    test("BAD_IMPLEMENTATION is reported and stops the model; the others go on", async () => {
      await start(["bad", "good"]);
      const results = await client.call({ method: "no_such_method" }, { models: ["bad"] });
      expect(results.get("bad")).toMatchObject({ status: "FAILED", detail: "BAD_IMPLEMENTATION" });
      // It may get one more chance with a new process.
      const stopped = await eventually(
        async () => {
          if ((await client.models()).length === 2)
            await client.call({ method: "no_such_method" }, { models: ["bad"] });
          return fleet.orchestrator.info().models.find(({ modelId }) => modelId === "bad");
        },
        (model) => model?.state === "STOPPED",
      );
      expect(stopped?.reason).toMatch(/BAD_IMPLEMENTATION/);
      await known(client, ["good"]);
      expect((await client.call({ method: "count" })).get("good")?.status).toBe("SUCCESS");
    });

    test("too many failures in a row are reported; the restarted model is called again", async () => {
      await start(["sick", "good"], { maxFailures: 2 });
      using events = await listenTo(fleet.orchestrator.port);
      await client.call({ method: "tick", args: [["JSON", {}]] });
      for (let i = 0; i < 2; i++) await client.call({ method: "boom" }, { models: ["sick"] });
      expect((await client.models()).find(({ model_id }) => model_id === "sick")?.consecutive_failures).toBe(2);
      await client.call({ method: "boom" }, { models: ["sick"] });
      await eventually(
        () => client.call({ method: "count" }),
        (results) => results.get("sick")?.result === 0, // a new instance
      );
      expect((await client.call({ method: "count" })).get("good")?.result).toBe(1);
      expect(events.states.slice(2)).toEqual(["sick RECOVERING", "sick RUNNING"]);
    });

    test("a slow model times out, cools down, is probed, and is reported at the limit", async () => {
      await start(["slow", "good"], { maxTimeouts: 1 });
      using events = await listenTo(fleet.orchestrator.port);
      const slow = await client.call({ method: "slow", args: [["INT", 3600]] }, { models: ["slow"], timeout: 1 });
      expect(slow.get("slow")).toMatchObject({ status: "TIMEOUT", detail: expect.stringMatching(/DEADLINE_EXCEEDED/) });
      // Our runner ends the hanging process; a Setup that succeeds was answered by the new one.
      await eventually(
        () => client.ask("setup", { model: "slow" }).catch(() => undefined),
        (answer) => (answer as { done: boolean } | undefined)?.done === true,
      );
      expect(await client.ask("health", { model: "slow" })).toMatchObject({ check: "SERVING" });
      const skipped = await client.call({ method: "count" });
      expect(skipped.get("slow")).toMatchObject({
        status: "TIMEOUT",
        detail: expect.stringMatching(/^PREEMPTIVE_SKIP/),
      });
      expect(skipped.get("good")).toMatchObject({ status: "SUCCESS" });
      await eventually(
        () => events.states.slice(2),
        (told) => told.join() === "slow RECOVERING,slow RUNNING",
      );
      await known(client, ["slow", "good"]);
      expect((await client.call({ method: "count" })).get("slow")).toMatchObject({ status: "SUCCESS", result: 0 });
    });

    test("TrainInfer and TrainInferStream, by the package's own stubs", async () => {
      fleet = await startOurFleet({ models: { stream: fixture("infer_stream") }, packages });
      const [model] = await running(fleet, ["stream"]);
      const port = Number(model?.address?.split(":").at(-1));
      // A crunch without models: the client's own Setup would ask for a class that this submission does not have.
      client = await startPublicClient(python, {
        port: fleet.orchestrator.port,
        crunchId: "no-models",
        baseClassname: BASE,
      });
      for (const service of ["TrainInferStreamService", "TrainInferService"]) {
        const ask = (method: string, argument?: [VariantType, unknown]) =>
          client.ask("train_infer", { service, port, method, argument });
        await ask("Setup");
        await ask("Setup");
        await ask("Reinitialize");
        expect(await ask("Infer", ["STRING", "a"])).toEqual({ value: "a", seen: 1 });
        expect(await ask("Infer", ["DOUBLE", 0.5])).toEqual({ value: 0.5, seen: 2 });
        await expect(ask("Infer", ["STRING", "raise"])).rejects.toThrow(/The model raised an exception: bad tick/);
        expect(await ask("Infer", ["INT", 1])).toEqual({ value: 1, seen: 1 });
        await ask("Reinitialize");
        expect(await ask("Infer", ["JSON", { x: [1] }])).toEqual({ value: { x: [1] }, seen: 1 });
      }
    });

    test("a client's own reconnect, and a connection it gives up", async () => {
      await start(["a"]);
      await client.call({ method: "tick", args: [["JSON", {}]] });
      await client.ask("reconnect", { model: "a" });
      expect((await client.call({ method: "count" })).get("a")?.result).toBe(1); // the same instance
      await client.ask("give_up", { model: "a", code: "CONNECTION_FAILED", reason: "cable cut" });
      await known(client, ["a"]); // the orchestrator brought it back
      expect((await client.call({ method: "count" })).get("a")).toMatchObject({ status: "SUCCESS", result: 0 });
    });

    test("our runner killed: its models are back on the client without its doing", async () => {
      await start(["a", "b"]);
      const before = await client.models();
      process.kill(fleet.orchestrator.info().runnerPid!, "SIGKILL");
      await eventually(
        async () => (await client.models()).map(({ port }) => port),
        (ports) => ports.length === 2 && !before.some(({ port }) => ports.includes(port)),
      );
      for (const { status } of (await client.call({ method: "count" })).values()) expect(status).toBe("SUCCESS");
    });

    test("our orchestrator restarted: the client follows to the new deployments", async () => {
      await start(["a"]);
      const [before] = await client.models();
      await fleet.restart();
      await eventually(
        () => client.models(),
        ([now]) => now !== undefined && now.deployment_id !== before?.deployment_id,
      );
      expect((await client.call({ method: "count" })).get("a")?.status).toBe("SUCCESS");
    });

    test("models come, go and are replaced while the client runs", async () => {
      await start(["a"]);
      const folder = mkdtempSync(join(tmpdir(), "almanac-interop-code-"));
      const code = join(folder, "behaviour.py");
      try {
        copyFileSync(behaviour, code);
        await fleet.write({ b: code });
        await known(client, ["b"]);
        const [before] = await client.models();
        writeFileSync(
          code,
          "from goldbase.core import Base\nclass Second(Base):\n    def count(self):\n        return 2\n",
        );
        await eventually(
          () => client.call({ method: "count" }),
          (results) => results.get("b")?.result === 2,
        );
        expect((await client.models())[0]?.deployment_id).not.toBe(before?.deployment_id);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    test("a submission without the class is refused with a reason; the good one is connected", async () => {
      fleet = await startOurFleet({
        models: { lonely: join(import.meta.dirname, "models/no_subclass.py"), good: behaviour },
        packages,
      });
      await running(fleet, ["lonely", "good"]);
      client = await startPublicClient(python, {
        port: fleet.orchestrator.port,
        crunchId: CRUNCH,
        baseClassname: BASE,
      });
      await known(client, ["good"]);
      const stopped = await eventually(
        () => fleet.orchestrator.info().models.find(({ modelId }) => modelId === "lonely"),
        (model) => model?.state === "STOPPED",
      );
      expect(stopped?.reason).toMatch(/BAD_IMPLEMENTATION/);
      exchanged();
    });
  });
}
