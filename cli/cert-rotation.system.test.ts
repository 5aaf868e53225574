import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Server, type sendUnaryData } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectModel } from "../models/client/model-connection.ts";
import { quiet } from "../models/fixtures/test-fleet.ts";
import { type CallRequest, DYNAMIC_SUBCLASS, messageType, service } from "../models/protocol/messages.ts";
import { createWallet } from "../models/secure/fixtures/world.ts";
import { clientSecurityOf, serverSecurityOf } from "../models/secure/from-settings.ts";
import { runCommand } from "./main.ts";

const MODEL = "model-1";
const HOTKEY = "hot";
const TICK = messageType<CallRequest>("dynamic_subclass.CallRequest").serialize({
  methodName: "tick",
  methodArguments: [],
  methodKwArguments: [],
});
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "almanac-rotation-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function cert(...args: string[]): Promise<void> {
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  vi.spyOn(console, "error").mockImplementation((text) => void said.push(String(text)));
  const code = await runCommand(["cert", ...args]);
  vi.restoreAllMocks();
  expect({ code, said }).toEqual({ code: 0, said: [] });
}

test("both ends are rotated by the command, with calls all the time: none is lost, then the old key is refused", async () => {
  const at = join(folder, "certificates");
  const wallet = createWallet();
  const key = wallet.key.export({ format: "jwk" });
  const bytes = Buffer.concat([Buffer.from(key.d!, "base64url"), Buffer.from(key.x!, "base64url")]);
  const keyFile = join(folder, "wallet.json");
  await writeFile(keyFile, JSON.stringify([...bytes]), { mode: 0o600 });
  const words = ["--wallet", keyFile, "--hotkey", HOTKEY];
  await cert("init", at, "--model-id", MODEL, ...words);

  const security = await serverSecurityOf(
    {
      RUNNER_SECURITY: "mtls",
      RUNNER_CERT_DIR: join(at, "runner"),
      RUNNER_COORDINATOR_KEYS: join(at, "coordinator-keys.json"),
      RUNNER_GATEWAY_TOKENS: "once",
    },
    quiet,
  );
  const kept = join(folder, "kept");
  await cp(join(at, "coordinator", "slot-0"), kept, { recursive: true });
  const former = await clientSecurityOf({ SECURE_CERT_DIR: kept }, quiet);
  const coordinator = await clientSecurityOf({ SECURE_CERT_DIR: join(at, "coordinator") }, quiet);
  const { credentials, interceptors } = security!.forModel(MODEL);
  const server = new Server({ interceptors });
  const answer = (_call: unknown, done: sendUnaryData<object>) =>
    done(null, { status: { code: "SUCCESS", message: "" } });
  server.addService(service(DYNAMIC_SUBCLASS), { Setup: answer, Call: answer, Rest: answer });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const who = () => ({ modelId: MODEL, wallet: wallet.address, hotkey: HOTKEY });
  const connect = () => connectModel(`127.0.0.1:${port}`, coordinator!.forModel(who));
  const connections = [connect()];
  const bad: string[] = [];
  let calls = 0;
  let isOver = false;
  const callAll = async () => {
    for (; !isOver; await sleep(20))
      for (const connection of connections) {
        const { outcome } = await connection.call(TICK, Date.now() + 20_000, new AbortController().signal);
        calls++;
        if (outcome.status !== "SUCCESS") bad.push(`${outcome.status} ${outcome.detail}`);
      }
  };
  try {
    await connections[0]!.ready(20_000);
    const before = connections[0]!.provenKey();
    const calling = callAll();
    await cert("rotate", at, "--role", "runner", ...words);
    await security!.reload();
    connections.push(connect()); // meets the new certificate
    await cert("rotate", at, "--role", "coordinator");
    await coordinator!.reload();
    await sleep(500);
    isOver = true;
    await calling;
    expect(bad).toEqual([]);
    expect(calls).toBeGreaterThan(100);
    for (const connection of connections) expect(connection.provenKey(), "all have moved on").not.toBe(before);
    // The first key is good until its slot is filled again.
    const thief = connectModel(`127.0.0.1:${port}`, former!.forModel(who));
    connections.push(thief);
    await thief.ready(20_000);
    await cert("rotate", at, "--role", "coordinator", "--stage");
    await security!.reload();
    const late = await Promise.all(
      [thief, connections[0]!].map((it) => it.call(TICK, Date.now() + 20_000, new AbortController().signal)),
    );
    expect(late.map(({ outcome }) => outcome.detail)).toEqual([
      expect.stringMatching(/AUTH_FAILED: The runner refuses this coordinator/),
      null,
    ]);
  } finally {
    isOver = true;
    for (const connection of connections) connection.close();
    server.forceShutdown();
    security?.close();
    coordinator?.close();
    former?.close();
  }
});
