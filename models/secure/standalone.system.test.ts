import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectModel } from "../client/model-connection.ts";
import { fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { writeFiles } from "../fixtures/test-host.ts";
import { setupBytes, setupRequest } from "../protocol/messages.ts";
import { keyHashOf } from "./certificates.ts";
import { createClientSecurity } from "./client-security.ts";
import { createWorld, HOTKEY, MODEL, prove, type World } from "./fixtures/world.ts";

const CLI = join(import.meta.dirname, "../../cli/main.ts");
const SOURCE = `from goldbase.core import Base
class Mine(Base):
    def predict(self): return 1.5
`;
let world: World;
let code: string;
let env: Record<string, string>;
beforeAll(async () => {
  world = await createWorld();
  code = await writeFiles({ "main.py": SOURCE });
  const keys = join(world.folder, "coordinator.json");
  const certHash = keyHashOf(new X509Certificate(world.coordinator.certificate));
  await writeFile(keys, JSON.stringify({ certHash, certHashSecondary: null }));
  const leaf = await world.leaf();
  const folder = await world.write("standalone", leaf, [
    { model_id: MODEL, proof: prove(world.wallet, leaf.certificate) },
  ]);
  env = { RUNNER_SECURITY: "mtls", RUNNER_CERT_DIR: folder, RUNNER_COORDINATOR_KEYS: keys };
});
afterAll(() => world[Symbol.asyncDispose]());

function run(more: Record<string, string>): { child: ChildProcess; exited: Promise<unknown[]>; said: () => string } {
  const args = [CLI, "runner", "--address", "127.0.0.1:0", "--code-directory", code, "--packages", fixture("packages")];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env, ...more },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return { child, exited: once(child, "exit"), said: () => text };
}

test("almanac runner proves its model to a registered coordinator", async () => {
  const { child, exited, said } = run({ RUNNER_MODEL_ID: MODEL });
  const security = await createClientSecurity({ certificates: world.coordinatorFolder, logger: quiet });
  try {
    const found = () => /"address":"([^"]+)"/.exec(said())?.[1] ?? "";
    const address = await until(found, (seen) => seen !== "" || child.exitCode !== null);
    expect(said()).toContain("runner listens");
    const expected = { modelId: MODEL, wallet: world.wallet.address, hotkey: HOTKEY };
    const proven = connectModel(
      address,
      security.forModel(() => expected),
    );
    await proven.ready(20_000);
    expect((await proven.setup(setupBytes(setupRequest("goldbase.core.Base")), 20_000)).code).toBe("SUCCESS");
    proven.close();
    const plain = connectModel(address);
    await expect(plain.ready(2_000)).rejects.toThrow();
    plain.close();
  } finally {
    security.close();
    child.kill("SIGTERM");
    await exited;
  }
});

test("without a model to prove it says what is missing and ends with 2", async () => {
  const { exited, said } = run({});
  expect((await exited)[0]).toBe(2);
  expect(said()).toMatch(/RUNNER_SECURITY=mtls needs RUNNER_MODEL_ID/);
});
