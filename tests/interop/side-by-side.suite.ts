import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFleetClient, type FleetClient } from "../../models/client/fleet-client.ts";
import { CRUNCH, connected, fixture, quiet } from "../../models/fixtures/test-fleet.ts";
import type { VariantType } from "../../models/protocol/variant.ts";
import { exchanged } from "./exchanges.ts";
import { type OrchestratorDouble, startOrchestratorDouble } from "./orchestrator-double.ts";
import { type OurFleet, startOurFleet } from "./our-fleet.ts";
import { type PublicClient, startPublicClient } from "./public-client.ts";
import { type PublicRunner, startPublicRunner } from "./public-runner.ts";
import { eventually } from "./waiting.ts";

const behaviour = join(import.meta.dirname, "models/behaviour.py");
const packages = [fixture("packages")];
const BASE = "goldbase.core.Base";
const BOTH = ["ours", "public"];

/** One submission behind the public runner and behind ours, both called in the same breath by either client. */
export function sideBySide(python: { client: string; runner: string }): void {
  describe("the public runner and ours, side by side", () => {
    let fleet: OurFleet;
    let theirs: PublicRunner;
    let double: OrchestratorDouble;
    let publicClient: PublicClient;
    let ourClient: FleetClient;
    beforeAll(async () => {
      fleet = await startOurFleet({ models: { ours: behaviour }, packages, sandbox: "none", python: python.runner });
      theirs = await startPublicRunner(python.runner, { code: behaviour, packages });
      const [started] = await eventually(
        () => fleet.orchestrator.info().models,
        ([model]) => model?.state === "RUNNING",
      );
      const port = Number(started?.address?.split(":").at(-1));
      double = await startOrchestratorDouble([
        { id: "ours", port },
        { id: "public", port: theirs.port },
      ]);
      const at = { port: double.port, crunchId: CRUNCH, baseClassname: BASE };
      publicClient = await startPublicClient(python.client, { ...at, maxFailures: 0 });
      ourClient = createFleetClient({ ...at, host: "127.0.0.1", logger: quiet, maxConsecutiveFailures: 0 });
      await ourClient.init();
      await connected(ourClient, BOTH);
    });
    afterAll(async () => {
      await ourClient?.[Symbol.asyncDispose]();
      await publicClient?.[Symbol.asyncDispose]();
      await double?.[Symbol.asyncDispose]();
      await theirs?.[Symbol.asyncDispose]();
      await fleet?.[Symbol.asyncDispose]();
    });

    type Typed = [type: VariantType, value: unknown];
    const CALLS: [method: string, args: Typed[], kwargs?: Record<string, Typed>][] = [
      ["init_args", []],
      ["tick", [["JSON", { symbol: "BTC", candles_1m: [{ ts: 1, close: 1.5 }] }]]],
      ["count", []],
      ["same", [["DOUBLE", 1e-300]]],
      ["same", [["INT", 42]]],
      ["same", [["STRING", "\ttab é😀"]]],
      ["same", [["JSON", { a: [1.5, 2, { b: null }] }]]],
      ["same", [["JSON", "a text"]]],
      ["all_of", [["INT", 1]], { c: ["INT", 3] }],
      ["all_of", [["INT", 1]], { b: ["STRING", "x"], unknown: ["INT", 3] }],
      ["all_of", []],
      [
        "all_of",
        [
          ["INT", 1],
          ["INT", 1],
          ["INT", 1],
          ["INT", 1],
        ],
      ],
      ["nothing", []],
      ["unicode", []],
      ["large_int", []],
      ["too_large_int", []],
      ["boom", []],
      ["pair", []],
      ["a_set", []],
      ["init_args", [], { unknown: ["INT", 1] }],
    ];
    test.each(CALLS)("%s(%j) %j: both clients cannot tell them apart", async (method, args, kwargs = {}) => {
      const seen = await publicClient.call({ method, args, kwargs });
      const [ours, other] = BOTH.map((id) => seen.get(id)!);
      expect([ours?.status, ours?.kind, ours?.result, ours?.detail]).toEqual([
        other?.status,
        other?.kind,
        other?.result,
        other?.detail,
      ]);
      const results = await ourClient.call({
        method,
        arguments: args.map(([type, value]) => ({ type, value })),
        kwargs: Object.entries(kwargs).map(([keyword, [type, value]]) => ({ keyword, type, value })),
      });
      exchanged(results.length);
      const [a, b] = BOTH.map((id) => results.find(({ modelId }) => modelId === id)!);
      expect([a?.status, a?.output, a?.detail]).toEqual([b?.status, b?.output, b?.detail]);
      // And each client sees what the other saw.
      expect(ours?.status === "SUCCESS").toBe(a?.status === "SUCCESS");
      expect(results).toHaveLength(2);
    });

    test("a table comes back with the same columns and rows", async () => {
      const frame = { ts: [1, 2], close: [0.5, 0.25] };
      const seen = await publicClient.call({ method: "same", args: [["PARQUET", frame]] });
      expect(seen.get("ours")?.result).toEqual(seen.get("public")?.result);
      expect(seen.get("ours")).toMatchObject({ status: "SUCCESS", kind: "DataFrame" });
    });
  });
}
