import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectModel, type ModelConnection } from "../client/model-connection.ts";
import { quiet } from "../fixtures/test-fleet.ts";
import { type CallRequest, messageType, type SetupRequest } from "../protocol/messages.ts";
import type { AuthError } from "./auth-error.ts";
import { type ClientSecurity, createClientSecurity } from "./client-security.ts";
import { type SecureRunner, startSecureRunner } from "./fixtures/secure-runner.ts";
import { createWallet, createWorld, HOTKEY, MODEL, prove, type World } from "./fixtures/world.ts";
import { type Issued, issueAuthority } from "./issue.ts";
import type { WalletProof } from "./wallet-message.ts";

let world: World;
let leaf: Issued;
let security: ClientSecurity;
/** moved by the tests that are about time */
let ahead = 0;
const now = () => Date.now() + ahead;
const open: { close(): void }[] = [];

beforeAll(async () => {
  world = await createWorld();
  leaf = await world.leaf();
  security = await createClientSecurity({ certificates: world.coordinatorFolder, logger: quiet, now });
});
afterAll(async () => {
  for (const it of open) it.close();
  security.close();
  await world[Symbol.asyncDispose]();
});

async function start(options: Partial<Parameters<typeof startSecureRunner>[0]> = {}): Promise<SecureRunner> {
  const runner = await startSecureRunner({
    authority: world.authority.certificate,
    leaf,
    proof: "leaf" in options || "proof" in options ? options.proof : prove(world.wallet, leaf.certificate),
    ...options,
  });
  open.push(runner);
  return runner;
}
const expected = () => ({ modelId: MODEL, wallet: world.wallet.address, hotkey: HOTKEY });
function connect(
  runner: SecureRunner,
  who: () => ReturnType<typeof expected> | { modelId: string; wallet: string | null; hotkey: string | null } = expected,
): ModelConnection {
  const connection = connectModel(`127.0.0.1:${runner.port}`, security.forModel(who));
  open.push(connection);
  return connection;
}
const secret = [{ position: 1, data: { type: 3, value: Buffer.from("not for everybody") } }];
const SETUP = messageType<SetupRequest>("dynamic_subclass.SetupRequest").serialize({
  className: "tracker.TrackerBase",
  instanceArguments: secret,
  instanceKwArguments: [],
});
const TICK = messageType<CallRequest>("dynamic_subclass.CallRequest").serialize({
  methodName: "tick",
  methodArguments: secret,
  methodKwArguments: [],
});
const tick = async (connection: ModelConnection, signal = new AbortController().signal) =>
  (await connection.call(TICK, Date.now() + 20_000, signal)).outcome;

describe("a runner that proves itself", () => {
  test.each(["rsa", "p256", "ed25519"] as const)(
    "with a %s certificate gets its calls after one empty one",
    async (kind) => {
      const own = await world.leaf({ kind });
      const runner = await start({ leaf: own, proof: prove(world.wallet, own.certificate) });
      const connection = connect(runner);
      expect(connection.provenKey()).toBeUndefined();
      await connection.ready(20_000);
      expect(runner.requests).toEqual([{ method: "Call", bytes: 0 }]);
      expect(await connection.setup(SETUP, 20_000)).toEqual({ code: "SUCCESS", message: "" });
      expect((await Promise.all([tick(connection), tick(connection)])).map(({ status }) => status)).toEqual([
        "SUCCESS",
        "SUCCESS",
      ]);
      expect(runner.requests.map(({ method }) => method)).toEqual(["Call", "Setup", "Call", "Call"]);
      expect(connection.provenKey()).toMatch(/^[0-9a-f]{64}$/);
    },
  );

  test("renews its proof in the middle", async () => {
    const runner = await start();
    const connection = connect(runner);
    await connection.ready(20_000);
    runner.proof = prove(world.wallet, leaf.certificate, { expiresAt: Math.floor(Date.now() / 1000) + 7200 });
    expect((await tick(connection)).status).toBe("SUCCESS");
  });
});

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "../../tests/vectors/auth.json"), "utf8"));
/** For the right host name. */
const { cert_pem: certificate, private_pem: key } = vectors.source.keys.tls;
const SELF_SIGNED: Issued = { certificate, key };
const endless = (pem: string): Buffer => {
  const { message } = prove(world.wallet, pem);
  const { expires_at: _, ...rest } = JSON.parse(Buffer.from(message, "base64").toString());
  return Buffer.from(JSON.stringify(rest));
};

interface Bad {
  leaf?: () => Promise<Issued>;
  proof: (certificate: string) => WalletProof | undefined;
  text: RegExp;
}
const BAD: Record<string, Bad> = {
  "no proof": { proof: () => undefined, text: /AUTH_FAILED: Missing auth metadata/ },
  "a bad signature": {
    proof: (c) => ({ ...prove(world.wallet, c), signature: prove(world.wallet, c, { hotkey: "x" }).signature }),
    text: /Invalid wallet signature/,
  },
  "another model's proof": { proof: (c) => prove(world.wallet, c, { modelId: "model-2" }), text: /model_id/ },
  "another certificate's proof": { proof: () => prove(world.wallet, world.coordinator.certificate), text: /cert_pub/ },
  "another wallet": { proof: (c) => prove(createWallet(), c), text: /wallet public key/ },
  "another wallet that claims to be the right one": {
    proof: (c) => ({ ...prove(createWallet(), c), wallet: world.wallet.address }),
    text: /Invalid wallet signature/,
  },
  "another hotkey": { proof: (c) => prove(world.wallet, c, { hotkey: "another" }), text: /Hotkey/ },
  "an expired proof": {
    proof: (c) => prove(world.wallet, c, { expiresAt: Math.floor(Date.now() / 1000) - 61 }),
    text: /expired/,
  },
  "a proof without an end": {
    proof: (c) => prove(world.wallet, c, {}, endless(c)),
    text: /Missing expires_at/,
  },
  "a proof of more than 8 KiB": {
    proof: (c) => prove(world.wallet, c, { hotkey: "x".repeat(8200) }),
    text: /8192 are taken/,
  },
  "a self-signed certificate": {
    leaf: async () => SELF_SIGNED,
    proof: (c) => prove(world.wallet, c),
    text: /AUTH_FAILED: .*self-signed/,
  },
  "another authority's certificate": {
    leaf: async () => world.leaf({ authority: await issueAuthority({ name: "another authority", days: 30 }) }),
    proof: (c) => prove(world.wallet, c),
    text: /AUTH_FAILED: .*(unable to|certificate)/,
  },
  "another model's certificate": {
    leaf: () => world.leaf({ hosts: ["model-node-model-2.crunchdao.internal"] }),
    proof: (c) => prove(world.wallet, c),
    text: /AUTH_FAILED: .*altnames/,
  },
};

describe("no byte of a request reaches a runner with", () => {
  test.each(Object.entries(BAD))("%s", async (_name, bad) => {
    const own = bad.leaf ? await bad.leaf() : leaf;
    const runner = await start({ leaf: own, proof: bad.proof(own.certificate) });
    const good = await start();
    const [connection, neighbour] = [connect(runner), connect(good)];
    const failure = await connection.ready(10_000).then(
      () => undefined,
      (error: AuthError) => error,
    );
    expect(failure?.name).toBe("AuthError");
    expect(failure?.message).toMatch(bad.text);
    await expect(connection.setup(SETUP, 10_000)).rejects.toThrow(bad.text);
    const [refused, other] = await Promise.all([tick(connection), tick(neighbour)]);
    expect(refused).toMatchObject({ status: "FAILURE", cause: "AUTH" });
    expect(refused.detail).toMatch(bad.text);
    expect(other.status).toBe("SUCCESS");
    expect(runner.requestBytes()).toBe(0);
    expect(runner.requests.every(({ method, bytes }) => method === "Call" && bytes === 0)).toBe(true);
    expect(connection.provenKey()).toBeUndefined();
  });

  test.each([
    ["no wallet from the orchestrator", { modelId: MODEL, wallet: null, hotkey: HOTKEY }, /names no wallet/],
    ["an id that no certificate can name", { modelId: "a/b c", wallet: "x", hotkey: HOTKEY }, /host name/],
  ])("%s", async (_name, who, text) => {
    const runner = await start();
    await expect(connect(runner, () => who).ready(10_000)).rejects.toThrow(text);
    expect(runner.requests).toEqual([]);
  });
});

describe("what was proved does not stay so by itself", () => {
  test("a proof that ends in the middle", async () => {
    const runner = await start();
    const connection = connect(runner);
    expect((await tick(connection)).status).toBe("SUCCESS");
    const before = runner.requestBytes();
    try {
      ahead = 3_600_000 + 61_000;
      expect((await tick(connection)).detail).toMatch(/AUTH_FAILED: The wallet's message expired/);
      expect(runner.requestBytes()).toBe(before);
      runner.proof = prove(world.wallet, leaf.certificate, { expiresAt: Math.floor(now() / 1000) + 60 });
      expect((await tick(connection)).status).toBe("SUCCESS");
    } finally {
      ahead = 0;
    }
  });

  test("an orchestrator that names another wallet from now on", async () => {
    const runner = await start();
    let wallet = world.wallet.address;
    const connection = connect(runner, () => ({ ...expected(), wallet }));
    expect((await tick(connection)).status).toBe("SUCCESS");
    const before = runner.requestBytes();
    wallet = createWallet().address;
    expect((await tick(connection)).detail).toMatch(/AUTH_FAILED: .*wallet public key/);
    expect(runner.requestBytes()).toBe(before);
  });

  test("an answer with another proof, or none, ends the trust", async () => {
    const runner = await start();
    const connection = connect(runner);
    await connection.ready(20_000);
    runner.proof = prove(createWallet(), leaf.certificate);
    expect((await tick(connection)).detail).toMatch(/AUTH_FAILED: .*wallet public key/);
    runner.proof = undefined;
    const before = runner.requestBytes();
    expect((await tick(connection)).detail).toMatch(/AUTH_FAILED: Missing/);
    expect(runner.requestBytes()).toBe(before);
  });

  test("another certificate after a reconnect, without a proof of its own", async () => {
    const first = await start();
    const connection = connect(first);
    expect((await tick(connection)).status).toBe("SUCCESS");
    first.close();
    const thief = await world.leaf(); // of the same authority, for the same name
    const second = await start({ port: first.port, leaf: thief, proof: prove(world.wallet, leaf.certificate) });
    for (let i = 0; i < 3; i++) expect((await tick(connection)).detail).toMatch(/AUTH_FAILED: .*cert_pub/);
    expect(second.requestBytes()).toBe(0);
  });

  test("another certificate after a reconnect, with a proof: verified again, and no call is lost", async () => {
    const first = await start();
    const connection = connect(first);
    expect((await tick(connection)).status).toBe("SUCCESS");
    first.close();
    const renewed = await world.leaf();
    const second = await start({ port: first.port, leaf: renewed, proof: prove(world.wallet, renewed.certificate) });
    expect(await tick(connection)).toMatchObject({ status: "SUCCESS" });
    expect(second.requests.map(({ bytes }) => bytes > 0)).toEqual([false, true]);
  });

  test("a runner that is not there is no fault of its proof, and is waited for", async () => {
    const first = await start();
    first.close();
    const connection = connect(first);
    expect((await tick(connection)).detail).toMatch(/^UNAVAILABLE/);
    const ready = connection.ready(20_000);
    setTimeout(() => void start({ port: first.port, leaf, proof: prove(world.wallet, leaf.certificate) }), 500);
    await ready;
    expect((await tick(connection)).status).toBe("SUCCESS");
  });

  test("a call that is given up does not wait for a proof", async () => {
    const runner = await start({ delayMs: 30_000 });
    const connection = connect(runner);
    await connection.ready(20_000);
    const stop = new AbortController();
    const answer = tick(connection, stop.signal);
    stop.abort("deadline");
    expect((await answer).status).toBe("TIMEOUT");
  });
});

test("our own certificate can be renewed while calls run: 0 errors, the running call ends well", async () => {
  const folder = await world.write("rotating", await world.leaf({ hosts: [] }));
  const own = await createClientSecurity({ certificates: folder, logger: quiet });
  const runner = await start({ delayMs: 300 });
  const connection = connectModel(`127.0.0.1:${runner.port}`, own.forModel(expected));
  open.push(connection, own);
  await connection.ready(20_000);
  const results: Promise<{ status: string; detail: string | null }>[] = [];
  for (let i = 0; i < 30; i++) {
    results.push(tick(connection));
    if (i === 10) {
      await world.write("rotating", await world.leaf({ hosts: [] }));
      await own.reload();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect((await Promise.all(results)).filter(({ status }) => status !== "SUCCESS")).toEqual([]);
  // One empty call for each of the two certificates.
  expect(runner.requests.filter(({ bytes }) => bytes === 0)).toHaveLength(2);
});
