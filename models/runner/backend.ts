import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { type BoxFolders, findBox, type InForce, inForce, modelUid, type SandboxMode } from "./box.ts";
import { CONTAINER_LIMITS } from "./container.ts";
import { createContainerHosts } from "./container-host.ts";
import { startHostProcess } from "./host-process.ts";
import { type HostKind, submissionLaunch } from "./host-program.ts";
import type { StartHost } from "./model-host.ts";
import type { Interpreter } from "./python.ts";
import type { Staging } from "./staging.ts";

/** Containers of an engine instead of boxes of our own. */
export interface ContainerSettings {
  /** the engine's Unix socket */
  readonly engine: string;
  readonly image: string;
}
/** How models are shut in here, and what else is known of it. */
export interface Sandbox extends Omit<InForce, "level"> {
  readonly level: InForce["level"] | "docker";
  /** what was tried before and why it did not work, or what the engine cannot hold */
  readonly tried: readonly string[];
  /** what runs Python models, or installs their packages where the image brings its own */
  readonly python: string;
}
/** Where models' hosts are started. */
export interface Backend {
  readonly sandbox: Sandbox;
  hostStarter(language: HostKind, slot: number, folders: BoxFolders): StartHost;
}

/** @throws Error naming cause and cure when nothing can be had that the mode allows */
export async function createBackend(options: {
  sandbox: SandboxMode;
  containers: ContainerSettings | null;
  interpreters: readonly Interpreter[];
  stateDir: string;
  staging: Staging;
  logger: Logger;
}): Promise<Backend> {
  return options.containers ? containerBackend(options, options.containers) : boxBackend(options);
}

async function boxBackend({ sandbox, interpreters, staging }: Parameters<typeof createBackend>[0]): Promise<Backend> {
  const probe = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
  const box = await findBox(sandbox, interpreters, probe);
  return {
    sandbox: { ...inForce(box), tried: box.tried, python: box.interpreter.executable },
    hostStarter: (language, slot, folders) => (log, events) =>
      startHostProcess(submissionLaunch(language, box, slot, folders), log, events),
  };
}

async function containerBackend(
  { sandbox, stateDir, interpreters, logger }: Parameters<typeof createBackend>[0],
  { engine, image }: ContainerSettings,
): Promise<Backend> {
  const runner = createHash("sha256").update(stateDir).digest("hex").slice(0, 16);
  const folder = join(stateDir, "channels");
  const hosts = await createContainerHosts({ engine, image, runner, folder, logger });
  const { missing } = hosts.describe();
  if (sandbox === "required" && missing.length > 0)
    throw new Error(
      `SANDBOX=required, and the container engine at ${engine} cannot hold: ${missing.join(", ")}. Use an engine that can, or SANDBOX=auto.`,
    );
  await hosts.removeLeftovers();
  return {
    sandbox: {
      level: "docker",
      seccomp: true, // the engine's own profile
      memory: "cgroup",
      processes: "cgroup",
      cpu: "cgroup",
      accounts: true,
      limits: CONTAINER_LIMITS,
      tried: missing.map((limit) => `the engine cannot hold: ${limit}`),
      python: interpreters[0]?.executable ?? "python3",
    },
    hostStarter: (kind, _slot, folders) => (log, events) => hosts.start(folders, log, events, { kind }),
  };
}
