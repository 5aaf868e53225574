import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connected, example, quiet, startTestFleet, type TestFleet, until } from "../fixtures/test-fleet.ts";
import { keyHashOf, serverHostname } from "./certificates.ts";
import { createClientSecurity } from "./client-security.ts";
import { createWallet, createWorld, HOTKEY, prove, type World } from "./fixtures/world.ts";

// The whole way: an orchestrator, its runner with two boxed models, and a client that believes nobody without a proof.
describe("a fleet under mTLS", () => {
  let world: World;
  let fleet: TestFleet;
  beforeAll(async () => {
    world = await createWorld();
    const keys = join(world.folder, "coordinator.json");
    const certHash = keyHashOf(new X509Certificate(world.coordinator.certificate));
    await writeFile(keys, JSON.stringify({ certHash, certHashSecondary: null }));
    const leaf = await world.leaf({ hosts: ["honest", "stolen"].map(serverHostname) });
    const proofs = ["honest", "stolen"].map((model_id) => ({
      model_id,
      proof: prove(world.wallet, leaf.certificate, { modelId: model_id }),
    }));
    const runner = await world.write("runner", leaf, proofs);
    const model = (id: string, wallet: string) => ({
      id,
      code: example("momentum.py"),
      cruncher_wallet_pubkey: wallet,
      cruncher_hotkey: HOTKEY,
    });
    // The orchestrator says that another wallet owns the second one: whoever runs it cannot prove to be that.
    fleet = await startTestFleet([model("honest", world.wallet.address), model("stolen", createWallet().address)], {
      orchestrator: {
        security: {
          RUNNER_SECURITY: "mtls",
          RUNNER_CERT_DIR: runner,
          RUNNER_COORDINATOR_KEYS: keys,
          RUNNER_GATEWAY_TOKENS: "once",
        },
      },
    });
  });
  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const tick = { method: "tick", args: [{ type: "JSON" as const, value: { symbol: "BTC", candles_1m: [] } }] };

  test("calls the model that proves itself, and lets the other have nothing", async () => {
    const security = await createClientSecurity({ certificates: world.coordinatorFolder, logger: quiet });
    const client = await fleet.connect({ security, connectTries: 1, reportFailures: false });
    await connected(client, ["honest"]);
    const refused = await until(
      () => client.models().find((model) => model.modelId === "stolen")?.reason ?? "",
      (reason) => reason !== "",
    );
    expect(refused).toMatch(/AUTH_FAILED: .*wallet/);
    const results = await client.callAll({ calls: [tick], models: ["honest", "stolen"], deadlineMs: 5_000 });
    expect(results.get("honest")).toMatchObject([{ status: "SUCCESS" }]);
    expect(results.get("stolen")).toMatchObject([
      { status: "SKIPPED", detail: expect.stringMatching(/^NOT_CONNECTED/) },
    ]);
  });

  test("a coordinator without a certificate reaches no model", async () => {
    const client = await fleet.connect({ connectTries: 1, connectTimeoutMs: 2_000, reportFailures: false });
    const states = await until(
      () => client.models().map(({ state }) => state),
      (seen) => seen.length === 2 && seen.every((state) => state === "DISCONNECTED"),
    );
    expect(states).toEqual(["DISCONNECTED", "DISCONNECTED"]);
  });
});
