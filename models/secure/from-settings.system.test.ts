import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfig } from "../../config.ts";
import { quiet } from "../fixtures/test-fleet.ts";
import { createWorld, MODEL, type World } from "./fixtures/world.ts";
import { clientSecurityOf, serverSecurityOf } from "./from-settings.ts";

let world: World;
let keys: string;
beforeAll(async () => {
  world = await createWorld();
  keys = join(world.folder, "keys.json");
  await writeFile(keys, JSON.stringify({ certHash: "a".repeat(64), certHashSecondary: null }));
  await writeFile(join(world.coordinatorFolder, "key.pem"), world.coordinator.key);
});
afterAll(() => world[Symbol.asyncDispose]());

test("nothing set: plain on both sides", async () => {
  expect(await clientSecurityOf(readConfig({}), quiet)).toBeUndefined();
  expect(await serverSecurityOf(readConfig({}), quiet)).toBeUndefined();
});

test.each([{ SECURE_CERT_DIR: "x" }, { GATEWAY_CERT_DIR: "x" }])("a coordinator with %o", async (settings) => {
  const [name] = Object.keys(settings);
  const security = await clientSecurityOf(readConfig({ [name!]: world.coordinatorFolder }), quiet);
  expect(security?.forModel(() => ({ modelId: MODEL, wallet: "w", hotkey: null }))).toBeTypeOf("function");
  security?.close();
});

test.each([
  {
    RUNNER_SECURITY: "mtls",
    RUNNER_CERT_DIR: "folder",
    RUNNER_COORDINATOR_KEYS: "file",
    RUNNER_COORDINATOR_WALLET: "w",
  },
  { RUNNER_SECURITY: "gateway", RUNNER_COORDINATOR_KEYS: "file", RUNNER_GATEWAY_TOKENS: "connection" },
])("a runner with $RUNNER_SECURITY", async (settings: Record<string, string>) => {
  const real: Record<string, string> = { folder: world.coordinatorFolder, file: keys };
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, real[value] ?? value]));
  const security = await serverSecurityOf(readConfig(env), quiet);
  expect(security?.forModel(MODEL).interceptors).toHaveLength(1);
  await security?.reload();
  security?.close();
});

test("what does not go together is refused with the setting's name, or the file's", async () => {
  const both = readConfig({ SECURE_CERT_DIR: world.coordinatorFolder, GATEWAY_CERT_DIR: world.coordinatorFolder });
  await expect(clientSecurityOf(both, quiet)).rejects.toThrow(/not both/);
  await expect(clientSecurityOf(readConfig({ GATEWAY_CERT_DIR: world.folder }), quiet)).rejects.toThrow(
    /key\.pem cannot be read/,
  );
  await expect(serverSecurityOf(readConfig({ RUNNER_SECURITY: "mtls" }), quiet)).rejects.toThrow(
    /RUNNER_COORDINATOR_KEYS/,
  );
  const noFolder = readConfig({ RUNNER_SECURITY: "mtls", RUNNER_COORDINATOR_KEYS: keys });
  await expect(serverSecurityOf(noFolder, quiet)).rejects.toThrow(/almanac cert init/);
  await writeFile(keys, JSON.stringify({ certHash: "not hex" }));
  await expect(serverSecurityOf(noFolder, quiet)).rejects.toThrow(/64 hex digits/);
});
