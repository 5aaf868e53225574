import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { ContainerSettings } from "../runner/backend.ts";
import type { SandboxMode } from "../runner/box.ts";
import { event, type RunnerCommand } from "../runner/control.ts";
import type { RunnerSettings } from "../runner/main.ts";
import { findInterpreters } from "../runner/python.ts";
import type { RunnerInfo, RunnerModel } from "../runner/runner.ts";
import type { RunnerSecuritySettings } from "../secure/from-settings.ts";

const START_MS = 60_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A runner that lived this long starts the backoff anew. */
const HEALTHY_MS = 60_000;
const ORPHAN_GRACE_MS = 30_000;
const STOP_MS = 5_000;
const POLL_MS = 20;

/** The runner's process, kept alive: found and adopted, or started; started again when it dies. */
export interface RunnerProcess {
  /** null while there is none */
  info(): RunnerInfo | null;
  apply(models: readonly RunnerModel[]): void;
  restart(deploymentId: string, why: string): void;
  /** What a model printed last; undefined while there is no runner. */
  log(deploymentId: string): Promise<string | undefined>;
  /** Stops the runner and with it every model. */
  close(): Promise<void>;
}

/** @throws Error when Python or a sandbox is missing; the message names the cure */
export async function startRunnerProcess(options: {
  host: string;
  firstPort: number;
  sandbox: SandboxMode;
  containers: ContainerSettings | null;
  security: RunnerSecuritySettings;
  python: string;
  stateDir: string;
  logger: Logger;
  onChange: () => void;
}): Promise<RunnerProcess> {
  const { logger, onChange } = options;
  mkdirSync(options.stateDir, { recursive: true });
  const interpreters = await findInterpreters(options.python);
  const plain = {
    host: options.host,
    firstPort: options.firstPort,
    sandbox: options.sandbox,
    containers: options.containers,
    security: options.security,
    interpreters,
    stateDir: options.stateDir,
  };
  const fingerprint = createHash("sha256").update(JSON.stringify(plain)).digest("hex");
  const settings: RunnerSettings = {
    ...plain,
    socketPath: socketPathIn(options.stateDir),
    fingerprint,
    graceMs: ORPHAN_GRACE_MS,
  };
  const logFile = join(options.stateDir, "runner.log");
  let info: RunnerInfo | null = null;
  let socket: Socket | undefined;
  let child: ChildProcess | undefined;
  /** null until the models file was read: an adopted runner goes on with what it has */
  let wanted: readonly RunnerModel[] | null = null;
  let closing = false;
  let upSince = 0;
  let lost = Promise.withResolvers<void>();
  /** by deployment: who waits for its log; answers come in the order of the questions */
  const asking = new Map<string, ((text: string | undefined) => void)[]>();

  const say = (command: RunnerCommand) => socket?.write(`${JSON.stringify(command)}\n`);

  /** One try to reach a runner; resolves with its first message. */
  function dial(): Promise<{ own: Socket; settings: string; first: RunnerInfo } | undefined> {
    return new Promise((resolve) => {
      const own = createConnection(settings.socketPath);
      own.on("error", () => resolve(undefined));
      own.on("close", () => {
        resolve(undefined);
        if (socket !== own) return;
        socket = undefined;
        info = null;
        for (const resolve of [...asking.values()].flat()) resolve(undefined);
        asking.clear();
        lost.resolve();
        if (!closing) onChange();
      });
      const lines = createInterface({ input: own });
      lines.on("error", () => own.destroy());
      lines.on("line", (line) => {
        const message = event.safeParse(JSON.parse(line));
        if (!message.success) return;
        if (message.data.event === "log") {
          asking.get(message.data.deploymentId)?.shift()?.(message.data.text);
          return;
        }
        if (socket === own) {
          info = message.data.info;
          if (!closing) onChange();
        } else resolve({ own, settings: message.data.settings, first: message.data.info });
      });
    });
  }

  function launch(): void {
    const log = openSync(logFile, "w", 0o600);
    const main = fileURLToPath(new URL(`../runner/main${extname(import.meta.url)}`, import.meta.url));
    // A session of its own: a Ctrl-C in the terminal reaches the orchestrator only, and all hosts weigh as one session.
    const env = { PATH: interpreters[0]?.searchPath ?? "/usr/bin:/bin", HOME: options.stateDir };
    const cache = getCompileCacheDir(); // ours, one level up: Node appends its version
    child = spawn(process.execPath, [...process.execArgv, main, JSON.stringify(settings)], {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...env, MALLOC_ARENA_MAX: "1", ...(cache ? { NODE_COMPILE_CACHE: dirname(cache) } : {}) },
    });
    closeSync(log);
    child.on("error", (error) => logger.error({ err: error }, "the runner cannot be started"));
    child.unref();
  }

  async function reach(): Promise<void> {
    const adopted = await dial();
    if (adopted?.settings === fingerprint) {
      take(adopted);
      logger.info({ pid: info?.pid }, "runner adopted");
      return;
    }
    if (adopted) {
      adopted.own.write(`${JSON.stringify({ op: "stop" })}\n`);
      await new Promise((resolve) => adopted.own.once("close", resolve));
    }
    launch();
    for (const until = Date.now() + START_MS; Date.now() < until; ) {
      const reached = await dial();
      if (reached) return take(reached);
      if (child && child.exitCode !== null) break;
      await sleep(50);
    }
    throw new Error(`The model runner did not start: ${lastLine(logFile)}`);
  }

  function take({ own, first }: { own: Socket; first: RunnerInfo }): void {
    lost = Promise.withResolvers();
    socket = own;
    info = first;
    upSince = Date.now();
    if (wanted) say({ op: "apply", models: [...wanted] });
  }

  async function keepAlive(): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    while (!closing) {
      await lost.promise;
      if (closing) return;
      if (Date.now() - upSince > HEALTHY_MS) backoff = FIRST_BACKOFF_MS;
      logger.error(
        { retryInMs: backoff, log: lastLine(logFile) },
        "the model runner is gone; its models are started again",
      );
      await sleep(backoff);
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      await reach().catch((error: Error) => logger.error({ err: error }, "the model runner cannot be started again"));
    }
  }

  await reach();
  void keepAlive();
  return {
    info: () => info,
    apply(models) {
      wanted = models;
      say({ op: "apply", models: [...models] });
    },
    restart: (deploymentId, why) => say({ op: "restart", deploymentId, why }),
    log(deploymentId) {
      if (socket === undefined) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        asking.set(deploymentId, [...(asking.get(deploymentId) ?? []), resolve]);
        say({ op: "log", deploymentId });
      });
    },
    async close() {
      closing = true;
      const own = socket;
      const pid = info?.pid;
      if (own) {
        const closed = new Promise((resolve) => own.once("close", resolve));
        say({ op: "stop" });
        await Promise.race([closed, sleep(STOP_MS, undefined, { ref: false })]);
      }
      await ended(pid);
      own?.destroy();
      lost.resolve();
    },
  };
}

/** Waits until the process is gone; after a while it is made to go. Its hosts die with it. */
async function ended(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  for (let waited = 0; alive(pid) && waited < 2 * STOP_MS; waited += POLL_MS) {
    if (waited === STOP_MS) process.kill(pid, "SIGKILL");
    await sleep(POLL_MS);
  }
}

// One that we did not start ourselves stays as a zombie where nobody reaps; it runs no more.
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // No /proc on this system: the signal alone decides.
    return (error as NodeJS.ErrnoException).code === "ENOENT" && process.platform !== "linux";
  }
}

// A Unix socket's path has room for 107 bytes.
function socketPathIn(stateDir: string): string {
  const own = join(stateDir, "runner.sock");
  if (Buffer.byteLength(own) <= 100) return own;
  const folder = join(tmpdir(), `almanac-${createHash("sha256").update(stateDir).digest("hex").slice(0, 16)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return join(folder, "runner.sock");
}

function lastLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trim().split("\n").at(-1)?.slice(0, 1000) ?? "";
  } catch {
    return "it wrote no log";
  }
}
