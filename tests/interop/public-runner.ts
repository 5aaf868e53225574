import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_MS = 120_000;

/** A crunch-model-runner process with one model. */
export interface PublicRunner extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** what it logged so far */
  log(): string;
  kill(): Promise<void>;
}

/**
 * Starts the public runner on loopback; resolves when its port takes connections.
 * `code` is a .py file or a folder, copied first: the runner writes beside it.
 */
export async function startPublicRunner(
  python: string,
  options: { code: string; packages: readonly string[]; port?: number; script?: string; fileName?: string },
): Promise<PublicRunner> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-public-runner-"));
  if (statSync(options.code).isDirectory()) cpSync(options.code, folder, { recursive: true });
  else copyFileSync(options.code, join(folder, options.fileName ?? basename(options.code)));
  const port = options.port ?? (await freePort());
  const program = options.script === undefined ? ["-m", "model_runner.server"] : [options.script];
  const child = spawn(python, ["-B", ...program, "--address", `127.0.0.1:${port}`, "--code-directory", folder], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/bin:/bin", HOME: folder, PYTHONPATH: options.packages.join(delimiter) },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => lines.splice(0, Math.max(0, lines.push(String(data)) - 200)));
  }
  const kill = async () => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  for (const until = Date.now() + START_MS; !(await listens(port)); await sleep(50)) {
    if (child.exitCode === null && Date.now() < until) continue;
    await kill();
    throw new Error(`the public runner did not start: ${lines.join("")}`);
  }
  return { port, pid: child.pid!, log: () => lines.join(""), kill, [Symbol.asyncDispose]: kill };
}

/** Starts several, a few at a time: each costs about a second of CPU. */
export async function startPublicRunners(
  python: string,
  count: number,
  options: { code: string; packages: readonly string[] },
): Promise<PublicRunner[]> {
  const started: PublicRunner[] = [];
  try {
    while (started.length < count) {
      const some = Array.from({ length: Math.min(3, count - started.length) }, () =>
        startPublicRunner(python, options),
      );
      for (const each of await Promise.allSettled(some)) {
        if (each.status === "rejected") throw each.reason;
        started.push(each.value);
      }
    }
    return started;
  } catch (error) {
    await Promise.all(started.map((each) => each.kill()));
    throw error;
  }
}

/** A port that nobody had a moment ago; the public runner cannot be asked which one it took. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "close");
}
