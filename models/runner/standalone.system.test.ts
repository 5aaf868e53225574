import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectModel } from "../client/model-connection.ts";
import { fixture, until } from "../fixtures/test-fleet.ts";
import { writeFiles } from "../fixtures/test-host.ts";
import { readJson } from "../protocol/json-read.ts";
import { type CallResponse, messageType, service } from "../protocol/messages.ts";
import { encodeVariant, type Variant } from "../protocol/variant.ts";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");
const PYTHON = `
import os
from goldbase.core import Base
print("imported")
class Mine(Base):
    def predict(self, subject): print("asked for", subject); return {"value": 0.5, "subject": subject}
    def surroundings(self):
        folder = os.environ.get("RESOURCE_DIRECTORY", "")
        try: open(os.path.join(folder, "x"), "w"); writes = True
        except OSError: writes = False
        text = open(os.path.join(folder, "weights.txt")).read() if folder else ""
        return {"weights": text, "writes": writes, "gpu": os.environ.get("HAS_GPU"), "folder": folder, "names": sorted(os.environ)}
    def slow(self):
        import time; time.sleep(2); return 1.5
`;
const JAVASCRIPT = `
import os from "node:os";
import dgram from "node:dgram";
export default class Mine {
  predict(subject) { console.log("asked for", subject); return { value: 0.5, subject } }
  async inside() {
    const hosts = () => { try { return Object.keys(os.networkInterfaces()) } catch { return [] } };
    const send = () => new Promise((done) => {
      try { dgram.createSocket("udp4").send("x", 9, "127.0.0.1", (error) => done(error ? error.code : "sent")).on("error", (error) => done(error.code)) }
      catch (error) { done(error.code ?? String(error)) }
    });
    return { uid: process.getuid(), hosts: hosts(), udp: await send(), env: Object.keys(process.env).sort() };
  }
}`;

interface Line {
  role: string;
  msg: string;
  address?: string;
  sandbox?: { level: string };
}
interface Running extends AsyncDisposable {
  readonly address: string;
  readonly lines: Line[];
  readonly child: ChildProcess;
  call(name: string, ...args: Variant[]): Promise<CallResponse>;
  unary<T>(path: [service: string, method: string], request: object): Promise<T>;
}

/** The command in a process of its own, up to the line that says that it listens. */
async function start(args: string[], env: Record<string, string> = {}): Promise<Running> {
  const { child, lines } = run(args, env);
  const listening = () => lines.find((line) => line.msg === "runner listens");
  await until(
    () => [child.exitCode, lines],
    () => listening() !== undefined || child.exitCode !== null,
    60_000,
  );
  const address = listening()?.address;
  if (address === undefined) throw new Error(`it ended with ${child.exitCode}: ${JSON.stringify(lines)}`);
  const client = new Client(address, credentials.createInsecure());
  const unary = <T>([name, method]: [string, string], request: object) => {
    const { path, requestSerialize, responseDeserialize } = service(name)[method]!;
    return new Promise<T>((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
        error ? reject(error) : resolve(answer as T),
      );
    });
  };
  return {
    address,
    lines,
    child,
    unary,
    call: (methodName, ...args) =>
      unary(["dynamic_subclass.DynamicSubclassService", "Call"], {
        methodName,
        methodArguments: args.map((data, i) => ({ position: i + 1, data })),
      }),
    async [Symbol.asyncDispose]() {
      client.close();
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
    },
  };
}

function run(args: string[], env: Record<string, string> = {}): { child: ChildProcess; lines: Line[] } {
  const child = spawn(process.execPath, [MAIN, "runner", ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: Line[] = [];
  createInterface({ input: child.stderr! }).on("line", (line) => {
    lines.push(line.startsWith("{") ? JSON.parse(line) : { role: "", msg: line });
  });
  return { child, lines };
}

const setup = (running: Running, className = "goldbase.core.Base") =>
  running.unary<CallResponse>(["dynamic_subclass.DynamicSubclassService", "Setup"], { className });
const json = (response: CallResponse) => readJson(response.methodResponse!.value);
const text = (value: string) => encodeVariant("STRING", value);
const packages = ["--packages", fixture("packages")];

let python: string;
let javascript: string;
let resources: string;
beforeAll(async () => {
  python = await writeFiles({ "main.py": PYTHON });
  javascript = await writeFiles({ "main.mjs": JAVASCRIPT });
  resources = await mkdtemp("/var/tmp/almanac-resources-"); // a model's own /tmp would hide one below it
  chmodSync(resources, 0o755);
  await writeFile(join(resources, "weights.txt"), "0.25");
});
afterAll(async () => {
  for (const folder of [python, javascript, resources]) await rm(folder, { recursive: true, force: true });
});

describe("almanac runner", () => {
  test("serves a Python model to raw gRPC and to our client, and logs what it prints", async () => {
    await using running = await start(["--address", "127.0.0.1:0", "--code-directory", python, ...packages]);
    const health = () => running.unary<{ status: number }>(["grpc.health.v1.Health", "Check"], {});
    await expect.poll(health).toEqual({ status: 1 });
    expect((await setup(running)).status).toEqual({ code: "SUCCESS", message: "Instance created successfully" });
    expect(json(await running.call("predict", text("BTC")))).toEqual({ value: 0.5, subject: "BTC" });
    const ours = connectModel(running.address);
    await ours.ready(20_000);
    const bytes = messageType("dynamic_subclass.CallRequest").serialize({
      methodName: "predict",
      methodArguments: [{ position: 1, data: text("ETH") }],
    });
    const { outcome, incarnation } = await ours.call(bytes, Date.now() + 20_000, new AbortController().signal);
    ours.close();
    expect(outcome).toMatchObject({ status: "SUCCESS", output: { value: 0.5, subject: "ETH" } });
    expect(incarnation).toBe("1");
    const printed = () => running.lines.filter((line) => line.role === "model").map((line) => line.msg);
    await until(printed, (all) => all.includes("asked for ETH"));
    expect(printed()).toEqual(["imported", "asked for BTC", "asked for ETH"]);
  });

  test("takes the public runner's environment, and gives the model its resources to read", async () => {
    await using running = await start(packages, {
      GRPC_ADDRESS: "127.0.0.1:0",
      CODE_DIRECTORY: python,
      RESOURCE_DIRECTORY: resources,
      MAIN_FILE: "main.py",
      HAS_GPU: "true",
      LOG_LEVEL: "INFO",
      GRPC_MAX_SEND_MESSAGE_LENGTH: "1048576",
      GRPC_MAX_RECEIVE_MESSAGE_LENGTH: "65536",
      PLANTED_SECRET: "hidden",
    });
    await setup(running);
    const seen = json(await running.call("surroundings")) as { names: string[] };
    const level = running.lines.find((line) => line.sandbox)?.sandbox?.level;
    expect(seen).toMatchObject({ weights: "0.25", gpu: "true", folder: resources, writes: level === "none" });
    expect(seen.names).not.toContain("PLANTED_SECRET");
    const tooLong = running.call("predict", text("x".repeat(60_000)), text("x".repeat(60_000)));
    expect(await tooLong.catch(({ code }: ServiceError) => code)).toBe(status.RESOURCE_EXHAUSTED);
    expect((await running.call("predict", text("BTC"))).status?.code).toBe("SUCCESS");
  });

  test("serves a JavaScript model in the same box", async () => {
    await using running = await start(["--grpc-address", "127.0.0.1:0", "--code-directory", javascript]);
    expect((await setup(running)).status?.code).toBe("SUCCESS");
    expect(json(await running.call("predict", text("BTC")))).toEqual({ value: 0.5, subject: "BTC" });
    const level = running.lines.find((line) => line.sandbox)?.sandbox?.level;
    const inside = json(await running.call("inside")) as { uid: number; hosts: string[]; udp: string; env: string[] };
    if (level !== "none") {
      expect(inside.udp).not.toBe("sent");
      expect(inside.hosts.filter((name) => name !== "lo")).toEqual([]);
      expect(inside.env).not.toContain("NODE_OPTIONS");
    }
    await until(
      () => running.lines,
      (lines) => lines.some((line) => line.role === "model" && line.msg === "asked for BTC"),
    );
  });

  test("serves a train/infer submission over a Unix socket, twice after a kill", async () => {
    const folder = await mkdtemp(join(tmpdir(), "almanac-socket-"));
    const socket = join(folder, "m.sock");
    const args = ["--address", `unix:${socket}`, "--code-directory", fixture("infer_stream")];
    for (const round of ["first", "second"]) {
      await using running = await start(args);
      await running.unary(["train_infer.TrainInferStreamService", "Setup"], {});
      const { prediction } = await running.unary<{ prediction: Variant }>(
        ["train_infer.TrainInferStreamService", "Infer"],
        { argument: text(round) },
      );
      expect(readJson(prediction.value)).toEqual({ value: round, seen: 1 });
      if (round === "first") {
        running.child.kill("SIGKILL");
        await once(running.child, "exit");
        expect(await readdir(folder)).toEqual(["m.sock"]); // left behind, and taken over
      }
    }
    await until(
      () => 0,
      () => true,
    );
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test("a signal lets the running call answer, then ends it with 0 and leaves nothing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "almanac-drain-"));
    chmodSync(folder, 0o755);
    await using running = await start(["--address", "127.0.0.1:0", "--code-directory", python, ...packages], {
      TMPDIR: folder,
    });
    expect(await readdir(folder)).not.toEqual([]);
    await setup(running);
    const slow = running.call("slow");
    await new Promise((resolve) => setTimeout(resolve, 300));
    running.child.kill("SIGTERM");
    expect((await slow).methodResponse?.value).toEqual(encodeVariant("DOUBLE", 1.5).value);
    const [code] = await once(running.child, "exit");
    expect(code).toBe(0);
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

describe("wrong arguments", () => {
  const wrong: { name: string; args: () => string[]; env?: Record<string, string>; code: number; text: RegExp }[] = [
    {
      name: "an address without port",
      args: () => ["--address", "127.0.0.1", "--code-directory", python],
      code: 2,
      text: /--address \(GRPC_ADDRESS\): "127\.0\.0\.1" is no address: host:port/,
    },
    {
      name: "a folder that is not there",
      args: () => ["--code-directory", "/no/such"],
      code: 2,
      text: /--code-directory \(CODE_DIRECTORY\): \/no\/such is no folder/,
    },
    {
      name: "a truth that is none",
      args: () => ["--has-gpu", "maybe"],
      code: 2,
      text: /'--has-gpu <boolean>' argument 'maybe' is invalid. It must be true or false/,
    },
    {
      name: "a level that is none",
      args: () => ["--log-level", "loud"],
      code: 2,
      text: /must be one of debug, info, warning, error, critical/,
    },
    {
      name: "a length that is none",
      args: () => ["--max-send-message-length", "1.5"],
      code: 2,
      text: /must be a whole number/,
    },
    { name: "an unknown flag", args: () => ["--adress", "x"], code: 2, text: /unknown option '--adress'/ },
    {
      name: "an environment that is none",
      args: () => [],
      env: { GRPC_MAX_SEND_MESSAGE_LENGTH: "much" },
      code: 2,
      text: /GRPC_MAX_SEND_MESSAGE_LENGTH=much/,
    },
    {
      name: "a submission without a model",
      args: () => ["--address", "127.0.0.1:0", "--code-directory", resources],
      code: 1,
      text: /holds no model: neither a \.py file nor main\.ts/,
    },
    {
      name: "an address in use",
      args: () => ["--address", "127.0.0.1:1", "--code-directory", python],
      env: { GRPC_ADDRESS: "" },
      code: 1,
      text: /EACCES|EADDRINUSE|No address added|127\.0\.0\.1:1/,
    },
  ];
  test.each(wrong)("$name ends with $code", async ({ name, args, env, code, text: expected }) => {
    if (name === "an address in use") {
      await using first = await start(["--address", "127.0.0.1:0", "--code-directory", python, ...packages]);
      const { child, lines } = run(["--address", first.address, "--code-directory", python]);
      const [ended] = await once(child, "exit");
      expect(lines.map((line) => line.msg).join("\n")).toMatch(/EADDRINUSE|address already in use/i);
      return expect(ended).toBe(1);
    }
    const { child, lines } = run(args(), env);
    const [ended] = await once(child, "exit");
    expect(lines.map((line) => line.msg).join("\n")).toMatch(expected);
    expect(ended).toBe(code);
  });
});
