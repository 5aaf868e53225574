import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { fixture, quiet } from "../../models/fixtures/test-fleet.ts";
import { startTestHost, type TestHost } from "../../models/fixtures/test-host.ts";
import { createModelServer } from "../../models/runner/model-server.ts";
import { keyHashOf } from "../../models/secure/certificates.ts";
import { watchCoordinatorKeys } from "../../models/secure/coordinator-keys.ts";
import { createWallet, createWorld, HOTKEY, MODEL, prove, type World } from "../../models/secure/fixtures/world.ts";
import type { Issued } from "../../models/secure/issue.ts";
import { createServerSecurity, type ServerSecurityOptions } from "../../models/secure/server-security.ts";
import { publicPackages } from "./venv.ts";

const packages = await publicPackages();
const CRUNCH = "secure-crunch";
const hashOf = ({ certificate }: Issued): string => keyHashOf(new X509Certificate(certificate));

describe.skipIf("missing" in packages)("model-runner-client 0.14.0 over our runner, with proofs", () => {
  let world: World;
  let model: TestHost;
  let keys: Awaited<ReturnType<typeof watchCoordinatorKeys>>;
  const undo: (() => unknown)[] = [];
  beforeAll(async () => {
    world = await createWorld();
    model = await startTestHost({ "main.py": readFileSync(fixture("submission.py"), "utf8") });
    const file = join(world.folder, "coordinator.json");
    await writeFile(file, JSON.stringify({ certHash: hashOf(world.coordinator), certHashSecondary: null }));
    keys = await watchCoordinatorKeys(file, quiet);
    await writeFile(join(world.coordinatorFolder, "key.pem"), world.coordinator.key);
  });
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
    keys.close();
    await model[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** Our runner's server for one model with a real Python host behind it, and an orchestrator that announces it. */
  async function serve(options: Partial<ServerSecurityOptions> = {}, wallet = world.wallet.address) {
    const security = await createServerSecurity({ mode: "mtls", coordinatorKeys: keys, logger: quiet, ...options });
    const server = await createModelServer({
      host: "127.0.0.1",
      firstPort: 0,
      model: model.host,
      security: security.forModel(MODEL),
    });
    const heard: string[] = [];
    const orchestrator = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(orchestrator, "listening");
    const infos = {
      model_name: "name",
      cruncher_id: "c",
      cruncher_name: "C",
      cruncher_wallet_pubkey: wallet,
      cruncher_hotkey: HOTKEY,
    };
    const entry = {
      deployment_id: "d-1",
      model_id: MODEL,
      infos,
      state: "RUNNING",
      ip: "127.0.0.1",
      port: server.port,
    };
    orchestrator.on("connection", (socket) => {
      socket.on("message", (data) => heard.push(String(data)));
      socket.send(JSON.stringify({ event: "init", data: [entry] }));
    });
    undo.push(
      () => security.close(),
      () => server.close(),
      () => {
        for (const socket of orchestrator.clients) socket.terminate();
      },
      () => new Promise((resolve) => orchestrator.close(resolve)),
    );
    return { port: (orchestrator.address() as AddressInfo).port, heard, security };
  }

  /** The public client in a process of its own, connected or not. */
  async function connect(
    port: number,
    how: { secure: string } | { gateway: string },
    env: Record<string, string> = {},
  ) {
    if ("missing" in packages) throw new Error(packages.missing);
    const given = { host: "127.0.0.1", port, crunch_id: CRUNCH, base_classname: "goldbase.core.Base", ...how };
    const script = join(import.meta.dirname, "python/secure_client.py");
    const child = spawn(packages.client, ["-B", "-u", script, JSON.stringify(given)], {
      env: { PATH: "/usr/bin:/bin", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (data) => {
      said = (said + String(data)).slice(-4000);
    });
    undo.push(() => child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the public client ended: ${said}`);
      return JSON.parse(value) as { ready?: string[]; ok?: never; error?: string };
    };
    const { ready } = await next();
    return {
      models: ready,
      async ask<T>(op: string, more: object = {}): Promise<T> {
        child.stdin.write(`${JSON.stringify({ op, ...more })}\n`);
        const { ok, error } = await next();
        if (error !== undefined) throw new Error(`${error}\n${said}`);
        return ok as T;
      },
    };
  }
  type Answers = { status: string; result: unknown; detail: string | null }[];
  const proven = async (name: string, said: object = {}, by = world.wallet) => {
    const leaf = await world.leaf();
    return world.write(name, leaf, [{ model_id: MODEL, proof: prove(by, leaf.certificate, said) }]);
  };

  test("mTLS: it verifies our proof, calls, asks for health, and goes on while our certificate is rotated", async () => {
    const certificates = await proven("runner");
    const { port, security } = await serve({ certificates });
    const client = await connect(port, { secure: world.coordinatorFolder });
    expect(client.models).toEqual([MODEL]);
    expect(await client.ask("health")).toEqual({ [MODEL]: "SERVING" });
    const predict = () => client.ask<Answers>("call", { method: "predict", args: ["BTC"] });
    for (let i = 0; i < 20; i++) {
      expect(await predict()).toMatchObject([{ status: "SUCCESS", result: { subject: "BTC", value: 0.5 } }]);
      if (i !== 10) continue;
      await proven("runner");
      await security.reload();
    }
  });

  test.each([
    ["another model's", { modelId: "model-2" }, false],
    ["another wallet's", {}, true],
  ])("mTLS: it refuses %s proof, which our runner never has by itself", async (name, said, isStranger) => {
    const certificates = await proven(`bad-${name.slice(8, 11)}`, said, isStranger ? createWallet() : world.wallet);
    const { port, heard } = await serve({ certificates });
    const client = await connect(port, { secure: world.coordinatorFolder });
    expect(client.models).toEqual([]);
    expect(heard.join()).toMatch(/report_failure/);
  });

  test("mTLS: our runner refuses a key that is not registered", async () => {
    const { port } = await serve({ certificates: await proven("strict") });
    const stranger = await world.write("stranger", await world.leaf({ hosts: [] }));
    expect((await connect(port, { secure: stranger })).models).toEqual([]);
  });

  test("gateway: its tokens are taken on their connection; each once is too few for it", async () => {
    const certificates = await world.write("gateway-runner", await world.leaf({ hosts: ["127.0.0.1"] }));
    const roots = { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: join(certificates, "ca.crt") };
    const lenient = await serve({ mode: "gateway", certificates, tokens: "connection" });
    const client = await connect(lenient.port, { gateway: world.coordinatorFolder }, roots);
    expect(client.models).toEqual([MODEL]);
    expect(await client.ask("health")).toEqual({ [MODEL]: "SERVING" });
    for (let i = 0; i < 10; i++)
      expect(await client.ask("call", { method: "predict", args: ["ETH"] })).toMatchObject([{ status: "SUCCESS" }]);

    const strict = await serve({ mode: "gateway", certificates });
    const other = await connect(strict.port, { gateway: world.coordinatorFolder }, roots);
    const statuses: string[] = [];
    for (let i = 0; i < 5; i++)
      statuses.push(...(await other.ask<Answers>("call", { method: "count" })).map(({ status }) => status));
    expect(statuses.filter((it) => it !== "SUCCESS")).not.toEqual([]);
  });
});
