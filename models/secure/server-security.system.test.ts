import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
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
  hashOf,
  SETUP,
  SETUP_PATH,
} from "./fixtures/guarded-world.ts";
import { createWallet, HOTKEY, MODEL, prove, type Wallet } from "./fixtures/world.ts";
import { addCoordinatorProof } from "./headers.ts";
import { issueAuthority } from "./issue.ts";
import { createServerSecurity } from "./server-security.ts";

let world: GuardedWorld;
beforeAll(async () => {
  world = await createGuardedWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

describe("mTLS", () => {
  test("a registered coordinator gets the proof first, on every service; health needs no registration", async () => {
    const runner = await world.serve();
    const good = world.client(runner.port, world.mutual(world.coordinator));
    const answer = await call(good);
    expect(answer).toMatchObject({ code: status.OK });
    expect(answer.first?.get("x-server-wallet-pubkey")).toEqual([world.wallet.address]);
    expect(await call(good, `/${DYNAMIC_SUBCLASS}/Rest`, undefined, Buffer.alloc(0))).toMatchObject({
      code: status.OK,
    });
    const stranger = world.client(runner.port, world.mutual(await world.leaf({ hosts: [] })));
    expect(await checkHealth(stranger)).toMatchObject({ code: status.OK });
    expect(runner.reached).toEqual([SETUP_PATH, `/${DYNAMIC_SUBCLASS}/Rest`]);
  });

  test("ours and the runner prove themselves to each other", async () => {
    const runner = await world.serve();
    const security = await createClientSecurity({ certificates: world.coordinatorFolder, logger: quiet });
    const who = () => ({ modelId: MODEL, wallet: world.wallet.address, hotkey: HOTKEY });
    const connection = connectModel(`127.0.0.1:${runner.port}`, security.forModel(who));
    world.ends(connection);
    world.ends(security);
    await connection.ready(20_000);
    expect(await connection.setup(SETUP, 20_000)).toEqual({ code: "SUCCESS", message: "" });
    expect(connection.provenKey()).toBe(hashOf(world.runnerLeaf));
    // The second address of such a runner is known by the key that its models have proven.
    const fleet = await world.serve({ isFleet: true });
    const proven = new Set([connection.provenKey() ?? ""]);
    const ok = world.client(fleet.port, security.forFleet(() => proven)!);
    expect(await call(ok)).toMatchObject({ code: status.OK });
    const other = world.client(fleet.port, security.forFleet(() => new Set([hashOf(world.coordinator)]))!);
    expect(await call(other)).toMatchObject({ code: status.UNAVAILABLE, text: expect.stringMatching(/not the one/) });
    expect(fleet.reached).toHaveLength(1);
  });

  test.each([
    ["no certificate", async () => world.mutual(null), /UNAVAILABLE/, /./],
    [
      "another authority's certificate",
      async () => world.mutual(await world.leaf({ authority: await issueAuthority({ name: "x", days: 1 }) })),
      /UNAVAILABLE/,
      /./,
    ],
    [
      "a certificate that is not registered",
      async () => world.mutual(await world.leaf({ hosts: [] })),
      /UNAUTHENTICATED/,
      /^TLS certificate hash does not match registered certificate$/,
    ],
    ["no TLS", async () => "plain" as const, /UNAVAILABLE/, /./],
  ])("%s: nothing reaches the model", async (_name, how, code, text) => {
    const runner = await world.serve();
    const answer = await call(world.client(runner.port, await how()));
    expect(status[answer.code]).toMatch(code);
    expect(answer.text).toMatch(text);
    expect(answer.first).toBeUndefined();
    expect(runner.reached).toEqual([]);
  });

  test("a withdrawn key is refused on the open connection; the other slot goes on", async () => {
    const second = await world.leaf({ hosts: [] });
    const runner = await world.serve();
    const [one, two] = [
      world.client(runner.port, world.mutual(world.coordinator)),
      world.client(runner.port, world.mutual(second)),
    ];
    expect((await call(one)).code).toBe(status.OK);
    expect((await call(two)).code).toBe(status.UNAUTHENTICATED);
    try {
      await world.register(world.coordinator, second);
      await runner.reload();
      expect([(await call(one)).code, (await call(two)).code]).toEqual([status.OK, status.OK]);
      await world.register(second);
      const since = Date.now();
      while ((await call(one)).code === status.OK && Date.now() - since < 60_000) await sleep(50); // found by looking, not told
      expect(Date.now() - since).toBeLessThan(60_000);
      expect((await call(two)).code).toBe(status.OK);
      await writeFile(world.keysFile, "{");
      await runner.reload();
      expect((await call(two)).code, "a half-written file changes nothing").toBe(status.OK);
    } finally {
      await world.register(world.coordinator);
    }
  });
});

describe("the coordinator's own proof, where it is asked for", () => {
  const HOT = "coordinator-hotkey";
  let wallet: Wallet;
  const said = (more: object = {}) => ({ modelId: null, hotkey: HOT, ...more });
  const proofOf = (more: object = {}, by = wallet, for_ = world.coordinator) => prove(by, for_.certificate, said(more));
  beforeAll(() => {
    wallet = createWallet();
  });

  test("ours sends it from its folder", async () => {
    const runner = await world.serve({ coordinator: { wallet: wallet.address, hotkey: HOT } });
    const folder = await world.write("with-proof", world.coordinator, [{ model_id: null, proof: proofOf() }]);
    const security = await createClientSecurity({ certificates: folder, logger: quiet });
    const who = () => ({ modelId: MODEL, wallet: world.wallet.address, hotkey: HOTKEY });
    const connection = connectModel(`127.0.0.1:${runner.port}`, security.forModel(who));
    world.ends(connection);
    world.ends(security);
    expect(await connection.setup(SETUP, 20_000)).toEqual({ code: "SUCCESS", message: "" });
  });

  test.each([
    ["none", () => undefined, /^Missing auth metadata/],
    ["another wallet's", () => proofOf({}, createWallet()), /^Wallet pubkey does not match expected crunch wallet$/],
    ["another certificate's", () => proofOf({}, wallet, world.runnerLeaf), /cert_pub/],
    ["another hotkey's", () => proofOf({ hotkey: "x" }), /^hotkey in payload/],
    ["one for a model", () => proofOf({ modelId: MODEL }), /^model_id in payload/],
    ["an expired one", () => proofOf({ expiresAt: 1 }), /expired/],
  ])("%s is refused", async (_name, proof, text) => {
    const runner = await world.serve({ coordinator: { wallet: wallet.address, hotkey: HOT } });
    const metadata = new Metadata();
    const own = proof();
    if (own) addCoordinatorProof(metadata, own);
    const answer = await call(world.client(runner.port, world.mutual(world.coordinator)), undefined, metadata);
    expect(answer).toMatchObject({ code: status.UNAUTHENTICATED, text: expect.stringMatching(text) });
    expect(runner.reached).toEqual([]);
  });
});

test("mTLS without certificates, and files that do not belong together, are refused with a reason", async () => {
  const keys = { current: () => new Set<string>() };
  const make = (certificates?: string) =>
    createServerSecurity({
      mode: "mtls",
      coordinatorKeys: keys,
      logger: quiet,
      ...(certificates ? { certificates } : {}),
    });
  await expect(make()).rejects.toThrow(/almanac cert init/);
  await expect(make(join(world.folder, "nowhere"))).rejects.toThrow(/ca\.crt cannot be read \(ENOENT\)/);
  const mixed = await world.write("mixed", { certificate: world.runnerLeaf.certificate, key: world.coordinator.key });
  await expect(make(mixed)).rejects.toThrow(/is not the key of/);
  await writeFile(join(mixed, "tls.crt"), "hello");
  await expect(make(mixed)).rejects.toThrow(/tls\.crt is not what its name says/);
});

test("the runner's certificate is rotated under 100 calls a second: 0 errors, old and new connections", async () => {
  const folder = await world.write("rotating", world.runnerLeaf, [
    { model_id: MODEL, proof: prove(world.wallet, world.runnerLeaf.certificate) },
  ]);
  const runner = await world.serve({ certificates: folder });
  const security = await createClientSecurity({ certificates: world.coordinatorFolder, logger: quiet });
  const who = () => ({ modelId: MODEL, wallet: world.wallet.address, hotkey: HOTKEY });
  const connectOne = () => {
    const connection = connectModel(`127.0.0.1:${runner.port}`, security.forModel(who));
    world.ends(connection);
    return connection;
  };
  world.ends(security);
  const old = connectOne();
  await old.ready(20_000);
  const renewed = await world.leaf();
  const late = connectOne();
  const results: Promise<string>[] = [];
  const calls = (connection: typeof old) =>
    connection
      .call(SETUP_AS_CALL, Date.now() + 20_000, new AbortController().signal)
      .then(({ outcome }) => `${outcome.status} ${outcome.detail}`);
  for (let i = 0; i < 200; i++) {
    results.push(calls(old));
    if (i === 60) {
      await world.write("rotating", renewed, [{ model_id: MODEL, proof: prove(world.wallet, renewed.certificate) }]);
      await runner.security.reload();
    }
    if (i > 100) results.push(calls(late));
    await sleep(10);
  }
  expect((await Promise.all(results)).filter((it) => it !== "SUCCESS null")).toEqual([]);
  expect([old.provenKey(), late.provenKey()]).toEqual([hashOf(world.runnerLeaf), hashOf(renewed)]);
});
const SETUP_AS_CALL = Buffer.from([0x0a, 0x04, ...Buffer.from("tick")]);
