import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFleetClient } from "../../models/client/fleet-client.ts";
import { CRUNCH, connected, quiet } from "../../models/fixtures/test-fleet.ts";
import type { VariantType } from "../../models/protocol/variant.ts";
import { type OurFleet, startOurFleet } from "./our-fleet.ts";
import { type PublicClient, startPublicClient } from "./public-client.ts";
import { BASE, behaviour, known, type PublicSession, packages, running, startPublicSession } from "./public-session.ts";

/** `python` has model-runner-client, `tables` pandas and pyarrow for models. */
export function publicClientOverOurs(python: string, tables: string): void {
  let session: PublicSession;
  let fleet: OurFleet;
  let client: PublicClient;
  describe("model-runner-client over our orchestrator and runner: calls", () => {
    beforeAll(async () => {
      session = await startPublicSession(python, ["a", "b"]);
      ({ fleet, client } = session);
    });
    afterAll(() => session?.[Symbol.asyncDispose]());

    test("it learns the models and who they belong to", async () => {
      expect(await client.models()).toMatchObject([{ model_name: "name-a" }, { model_name: "name-b" }]);
      const { models } = fleet.orchestrator.info();
      for (const [id, result] of await client.call({ method: "count" })) {
        expect(result).toMatchObject({
          deployment_id: models.find(({ modelId }) => modelId === id)?.deploymentId,
          model_name: `name-${id}`,
          cruncher_id: `cruncher-${id}`,
          cruncher_name: `Cruncher ${id}`,
          status: "SUCCESS",
          detail: null,
        });
        expect(result.exec_time_us).toBeGreaterThan(0);
      }
    });

    const VALUES: [type: VariantType, given: unknown, kind: string, back: unknown][] = [
      ["NONE", null, "NoneType", null],
      ["DOUBLE", 0.1, "float", 0.1],
      ["DOUBLE", 2, "float", 2],
      ["DOUBLE", 5e-324, "float", 5e-324],
      ["DOUBLE", -1.7976931348623157e308, "float", -1.7976931348623157e308],
      ["INT", 0, "int", 0],
      ["INT", -1, "int", -1],
      ["INT", "9223372036854775807", "int", { $int: "9223372036854775807" }],
      ["INT", "-9223372036854775808", "int", { $int: "-9223372036854775808" }],
      ["STRING", "", "str", ""],
      ["STRING", "hé 😀 \u2028 \"'\\", "str", "hé 😀 \u2028 \"'\\"],
      ["JSON", { a: [1, 2.5, null, true, "x"], b: { c: {} }, "": [] }, "dict", undefined],
      ["JSON", [[[]], [1e-7, 1e21]], "list", undefined],
      ["JSON", null, "NoneType", null],
    ];
    test.each(VALUES)("%s %j goes there and comes back as %s", async (type, given, kind, back = given) => {
      const results = await client.call({ method: "same", args: [[type, given]] });
      expect(results.size).toBe(2);
      for (const each of results.values()) expect(each).toMatchObject({ status: "SUCCESS", kind, result: back });
    });

    test("arguments by position, by name, made per model, the older way; what a method does not take is dropped", async () => {
      const [one, two, three] = [1, 2, 3].map((n) => ["INT", n] as const);
      const all = async (call: object, options?: object) =>
        (await client.call({ method: "all_of", ...call }, options)).get("a")?.result;
      expect(await all({ args: [three, two, one] })).toEqual({ a: 3, b: 2, c: 1 });
      expect(await all({ args: [one], kwargs: { c: one, surprise: two } })).toEqual({ a: 1, b: 2, c: 1 });
      expect(await all({ args: [one, one], kwargs: { b: three } })).toEqual({ a: 1, b: 1, c: 3 });
      expect(await all({ args: [one], kwargs: { b: one } }, { form: "deprecated" })).toEqual({ a: 1, b: 1, c: 3 });
      const each = await client.call({ method: "who_is" }, { form: "callable" });
      expect([...each].map(([id, { result }]) => [id, result])).toEqual([
        ["a", "a"],
        ["b", "b"],
      ]);
    });

    test("a subset calls only whom it names", async () => {
      const before = (await client.call({ method: "count" })).get("b")?.result;
      const ticked = await client.call({ method: "tick", args: [["JSON", {}]] }, { models: ["a"] });
      expect([...ticked.keys()]).toEqual(["a"]);
      expect((await client.call({ method: "count" })).get("b")?.result).toBe(before);
    });

    test.each([
      ["nothing", "SUCCESS", null],
      ["large_int", "SUCCESS", { $int: "9223372036854775807" }],
      ["unicode", "SUCCESS", "hé 😀 \u2028"],
      ["boom", "FAILED", null],
      ["pair", "FAILED", null],
      ["a_set", "FAILED", null],
      ["too_large_int", "FAILED", null],
      // Ours, on purpose: NaN is no answer.
      ["nan", "FAILED", null],
      ["nan_inside", "FAILED", null],
    ])("%s is %s", async (method, status, result) => {
      const results = await client.call({ method }, { models: ["b"] });
      expect(results.get("b")).toMatchObject({ status, result, detail: status === "SUCCESS" ? null : "FAILED" });
      // Failures in a row would have the model stopped.
      await client.call({ method: "count" });
    });

    test("health is told by Check and by Watch, on the channel of its own", async () => {
      expect(await client.ask("health", { model: "a" })).toEqual({ check: "SERVING", watch: "SERVING" });
    });

    test("Rest, then Setup: the new instance answers", async () => {
      await client.call({ method: "tick", args: [["JSON", {}]] }, { models: ["a"] });
      expect((await client.call({ method: "count" }, { models: ["a"] })).get("a")?.result).toBeGreaterThan(0);
      expect(await client.ask("rest", { model: "a" })).toEqual({
        code: "SUCCESS",
        message: "Instance successfully reset",
      });
      expect((await client.call({ method: "count" }, { models: ["a"] })).get("a")?.status).toBe("FAILED");
      expect(await client.ask("setup", { model: "a" })).toEqual({ done: true, error: null });
      expect(await client.ask("setup", { model: "a" })).toEqual({ done: true, error: null }); // already there
      expect((await client.call({ method: "count" }, { models: ["a"] })).get("a")?.result).toBe(0);
    });

    test("both clients at once on one runner get the same answers", async () => {
      await using ours = createFleetClient({
        host: "127.0.0.1",
        port: fleet.orchestrator.port,
        crunchId: CRUNCH,
        baseClassname: BASE,
        logger: quiet,
      });
      await ours.init();
      await connected(ours, ["a", "b"]);
      const [theirs, own] = await Promise.all([
        client.call({ method: "all_of", args: [["DOUBLE", 0.25]] }),
        ours.call({ method: "all_of", arguments: [{ type: "DOUBLE", value: 0.25 }] }),
      ]);
      for (const { modelId, output, deploymentId, modelName } of own) {
        expect(theirs.get(modelId)).toMatchObject({
          result: output,
          deployment_id: deploymentId,
          model_name: modelName,
        });
      }
      expect(own).toHaveLength(2);
    });
  });

  describe("model-runner-client over our orchestrator and runner: instance arguments, tables", () => {
    let tablesFleet: OurFleet;
    let own: PublicClient;
    beforeAll(async () => {
      // A box may not reach this environment's folder; the model is ours and harmless.
      tablesFleet = await startOurFleet({ models: { t: behaviour }, packages, sandbox: "none", python: tables });
      await running(tablesFleet, ["t"]);
      own = await startPublicClient(python, {
        port: tablesFleet.orchestrator.port,
        crunchId: CRUNCH,
        baseClassname: BASE,
        instanceArgs: [["STRING", "first"]],
        instanceKwargs: { depth: ["INT", 7] },
      });
      await known(own, ["t"]);
    });
    afterAll(async () => {
      await own?.[Symbol.asyncDispose]();
      await tablesFleet?.[Symbol.asyncDispose]();
    });

    test("the instance was made with the coordinator's arguments", async () => {
      expect((await own.call({ method: "init_args" })).get("t")?.result).toEqual({
        args: ["first"],
        kwargs: { depth: 7 },
      });
    });

    test("a data frame goes there as PARQUET, is worked on, and comes back", async () => {
      const frame = { ts: [1, 2, 3], close: [1.5, 2.5, 3.25], name: ["a", "é", ""] };
      const columns = { ts: frame.ts, close: frame.close };
      expect((await own.call({ method: "total", args: [["PARQUET", columns]] })).get("t")).toMatchObject({
        status: "SUCCESS",
        result: { ts: 6, close: 7.25 },
      });
      expect((await own.call({ method: "same", args: [["PARQUET", frame]] })).get("t")).toMatchObject({
        kind: "DataFrame",
        result: {
          $frame: {
            columns: ["ts", "close", "name"],
            rows: [
              [1, 1.5, "a"],
              [2, 2.5, "é"],
              [3, 3.25, ""],
            ],
          },
        },
      });
    });
  });
}
