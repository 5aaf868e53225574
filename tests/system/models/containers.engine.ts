import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../../../models/fixtures/test-fleet.ts";
import { makeBareRoot, makePythonRoot } from "./containers.image.ts";

const run = promisify(execFile);
const IMAGE = "localhost/almanac-model:test";
const BARE_IMAGE = "localhost/almanac-bare:test";
// runc and cgroupfs: the other runtime and systemd's manager do not work in every build machine. Locks in files of its own: those
// in shared memory would be shared with other engines.
const CONFIGURATION = `[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
lock_type="file"
[containers]
default_ulimits=["nofile=1024:1024","nproc=512:512"]
`;

/** A container engine of its own, with its own storage and one image, that speaks Docker's API. */
export interface TestEngine extends AsyncDisposable {
  readonly socket: string;
  /** this machine's Python and busybox, made without a registry */
  readonly image: string;
  /** busybox only */
  readonly bareImage: string;
  /** Ids of containers; without `which` also of those that do not run. */
  containers(which?: "running"): Promise<string[]>;
}

/** Why this machine has no engine for tests, or undefined. */
export async function engineProblem(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "the container engine of the tests needs root";
  for (const program of ["podman", "runc", "busybox"])
    if (!(await run("sh", ["-c", `command -v ${program}`]).catch(() => false))) return `${program} is not installed`;
  return undefined;
}

export async function startTestEngine(): Promise<TestEngine> {
  const folder = await mkdtemp(join(tmpdir(), "almanac-engine-"));
  const configuration = join(folder, "containers.conf");
  await writeFile(configuration, CONFIGURATION);
  const env = { PATH: process.env.PATH, HOME: folder, CONTAINERS_CONF: configuration };
  const storage = [...places(folder, "engine"), "--storage-driver", await storageDriver(folder, env)];
  const podman = async (...args: string[]) =>
    (await run("podman", [...storage, ...args], { env, maxBuffer: 16 << 20 })).stdout;
  await importImage(IMAGE, folder, makePythonRoot, podman);
  await importImage(BARE_IMAGE, folder, makeBareRoot, podman);
  const socket = join(folder, "engine.sock");
  const service = await serve([...storage, "--log-level", "fatal"], socket, join(folder, "engine.log"), env);
  const containers = async (which?: "running") => {
    const list = await podman("ps", "--quiet", "--no-trunc", ...(which ? [] : ["--all"]));
    return list.split("\n").filter(Boolean);
  };
  return {
    socket,
    image: IMAGE,
    bareImage: BARE_IMAGE,
    containers,
    async [Symbol.asyncDispose]() {
      await end(service);
      await podman("rm", "--all", "--force", "--time", "0");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const places = (folder: string, name: string): string[] =>
  ["root", "runroot", "tmpdir"].flatMap((kind) => [`--${kind}`, join(folder, name, kind)]);

async function serve(options: string[], socket: string, log: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const said = openSync(log, "w");
  const service = spawn("podman", [...options, "system", "service", "--time", "0", `unix://${socket}`], {
    env,
    stdio: ["ignore", "ignore", said],
  });
  closeSync(said);
  await until(
    () => existsSync(socket),
    (there) => there,
  ).catch(async () => {
    await end(service);
    throw new Error(`The engine did not come up: ${readFileSync(log, "utf8")}`);
  });
  return service;
}

/** overlay where it works: not in a container whose own files are an overlay. vfs copies the image for each container. */
async function storageDriver(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const probe = [...places(folder, "probe"), "--storage-driver", "overlay"];
  return run("podman", [...probe, "info"], { env }).then(
    () => "overlay",
    () => "vfs",
  );
}

type Podman = (...args: string[]) => Promise<string>;
async function importImage(
  name: string,
  folder: string,
  fill: (root: string) => Promise<void>,
  podman: Podman,
): Promise<void> {
  const root = join(folder, "root");
  const tar = join(folder, "root.tar");
  await mkdir(root);
  await fill(root);
  await run("tar", ["-C", root, "-cf", tar, "."]);
  await podman("import", "--quiet", "--change", "ENV=PATH=/usr/bin:/bin", tar, name);
  await Promise.all([rm(root, { recursive: true }), rm(tar)]);
}

async function end(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null || service.signalCode !== null) return;
  const gone = once(service, "exit");
  service.kill("SIGTERM");
  await gone;
}
