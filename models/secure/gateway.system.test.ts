import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectModel } from "../client/model-connection.ts";
import { quiet } from "../fixtures/test-fleet.ts";
import { DYNAMIC_SUBCLASS } from "../protocol/messages.ts";
import { createClientSecurity } from "./client-security.ts";
import {
  call,
  checkHealth,
  createGuardedWorld,
  type GuardedWorld,
  SETUP,
  SETUP_PATH,
} from "./fixtures/guarded-world.ts";
import { MODEL } from "./fixtures/world.ts";
import { createGatewayToken, readGatewayKey } from "./gateway-token.ts";
import { addGatewayToken } from "./headers.ts";
import type { ServerSecurityOptions } from "./server-security.ts";

let world: GuardedWorld;
beforeAll(async () => {
  world = await createGuardedWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

describe("gateway", () => {
  const token = (own = world.coordinator, model = MODEL, atMs = Date.now(), method?: string) =>
    addGatewayToken(new Metadata(), createGatewayToken(readGatewayKey(own.key), model, atMs, method));
  const gateway = (more: Partial<ServerSecurityOptions> = {}) =>
    world.serve({ mode: "gateway", ...more, ...(more.certificates ? {} : { certificates: undefined as never }) });

  test("a token is good once, on any connection", async () => {
    const runner = await gateway();
    const one = world.client(runner.port, "plain");
    const metadata = token();
    expect((await call(one, SETUP_PATH, metadata)).code).toBe(status.OK);
    for (const it of [one, world.client(runner.port, "plain"), one]) {
      const again = await call(it, SETUP_PATH, metadata);
      expect(again).toMatchObject({ code: status.UNAUTHENTICATED, text: expect.stringMatching(/used before/) });
    }
    expect(runner.reached).toHaveLength(1);
    expect((await checkHealth(one)).code).toBe(status.OK);
  });

  test("for public clients it can be good for its connection: others are still refused", async () => {
    const runner = await gateway({ tokens: "connection" });
    const one = world.client(runner.port, "plain");
    const metadata = token();
    for (let i = 0; i < 3; i++) expect((await call(one, SETUP_PATH, metadata)).code).toBe(status.OK);
    const other = world.client(runner.port, "plain");
    expect((await call(other, SETUP_PATH, metadata)).code).toBe(status.UNAUTHENTICATED);
  });

  test.each([
    ["none", () => new Metadata(), /^Missing gateway auth metadata$/],
    ["another model's", () => token(undefined, "model-2"), /^model_id mismatch/],
    ["an old one", () => token(undefined, MODEL, Date.now() - 32_000), /^Token expired: age=3\ds exceeds max_age=30s$/],
    ["one from before the start", () => token(undefined, MODEL, Date.now() - 9_000), /before this runner's start/],
    ["a future one", () => token(undefined, MODEL, Date.now() + 8_000), /^Token timestamp is in the future$/],
    ["another key's", () => token(world.runnerLeaf), /not found in on-chain cert hashes$/],
    ["another method's", () => token(undefined, MODEL, Date.now(), `/${DYNAMIC_SUBCLASS}/Call`), /another method/],
  ])("%s is refused, twice", async (_name, metadata, text) => {
    const runner = await gateway();
    const it = world.client(runner.port, "plain");
    const same = metadata();
    for (let i = 0; i < 2; i++)
      expect(await call(it, SETUP_PATH, same)).toMatchObject({
        code: status.UNAUTHENTICATED,
        text: expect.stringMatching(text),
      });
    expect(runner.reached).toEqual([]);
  });

  test("ours makes a new token for every call; behind TLS of the runner's own", async () => {
    const own = await world.leaf({ hosts: ["127.0.0.1"] });
    const runner = await gateway({ certificates: await world.write("gateway-runner", own) });
    const folder = join(world.folder, "gateway");
    await world.write("gateway", world.coordinator);
    await writeFile(join(folder, "key.pem"), world.coordinator.key);
    await writeFile(join(folder, "gateway-ca.crt"), await readFile(join(folder, "ca.crt")));
    const security = await createClientSecurity({ gateway: folder, logger: quiet });
    const connection = connectModel(
      `127.0.0.1:${runner.port}`,
      security.forModel(() => ({ modelId: MODEL, wallet: null, hotkey: null })),
    );
    world.ends(connection);
    world.ends(security);
    await connection.ready(20_000);
    for (let i = 0; i < 5; i++) expect((await connection.setup(SETUP, 20_000)).code).toBe("SUCCESS");
    const stranger = connectModel(
      `127.0.0.1:${runner.port}`,
      security.forModel(() => ({ modelId: "model-2", wallet: null, hotkey: null })),
    );
    world.ends(stranger);
    await expect(stranger.setup(SETUP, 20_000)).rejects.toThrow(/AUTH_FAILED: The runner refuses this coordinator/);
    expect(runner.reached).toHaveLength(5);
  });

  test("a fleet is not reached by tokens, each is for one model", async () => {
    const runner = await gateway({ isFleet: true } as object);
    expect((await call(world.client(runner.port, "plain"), SETUP_PATH, token())).code).toBe(status.UNAUTHENTICATED);
  });
});
