import { chmod, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { Runner, RunnerInfo } from "./runner.ts";

const model = z.object({
  deploymentId: z.string(),
  modelId: z.string(),
  version: z.string(),
  code: z.string(),
  packages: z.array(z.string()).readonly(),
  site: z.array(z.string()).readonly().optional(),
  trusted: z.boolean(),
});
/** What the orchestrator says, one JSON text a line. */
const command = z.discriminatedUnion("op", [
  z.object({ op: z.literal("apply"), models: z.array(model) }),
  z.object({ op: z.literal("restart"), deploymentId: z.string(), why: z.string() }),
  z.object({ op: z.literal("log"), deploymentId: z.string() }),
  z.object({ op: z.literal("stop") }),
]);
export type RunnerCommand = z.infer<typeof command>;

const infoShape = z.object({
  pid: z.number(),
  fleetPort: z.number().nullable(),
  sandbox: z.object({
    level: z.enum(["bwrap", "unshare", "none", "docker"]),
    seccomp: z.boolean(),
    memory: z.enum(["cgroup", "watchdog", "none"]),
    processes: z.enum(["cgroup", "rlimit"]),
    cpu: z.enum(["cgroup", "nice"]),
    accounts: z.boolean(),
    limits: z.object({
      memoryMiB: z.number(),
      addressSpaceMiB: z.number(),
      processes: z.number(),
      openFiles: z.number(),
      fileSizeMiB: z.number(),
      tmpMiB: z.number(),
    }),
    tried: z.array(z.string()),
    python: z.string(),
  }),
  models: z.array(
    z.object({
      deploymentId: z.string(),
      modelId: z.string(),
      version: z.string(),
      state: z.enum(["STARTING", "RUNNING", "DOWN", "REFUSED"]),
      port: z.number().nullable(),
      reason: z.string().nullable(),
      incarnation: z.number(),
    }),
  ),
});
/** What the runner says: `settings` is a fingerprint of how it was started, so that only a fitting runner is adopted. */
export const event = z.discriminatedUnion("event", [
  z.object({ event: z.literal("info"), settings: z.string(), info: infoShape }),
  z.object({ event: z.literal("log"), deploymentId: z.string(), text: z.string() }),
]);
type RunnerEvent = z.infer<typeof event>;

/** The private way in: a Unix socket below a folder that only the node's account may enter. */
export interface Control {
  changed(): void;
  close(): Promise<void>;
}

/**
 * Serves the orchestrator. Without one for `graceMs` (it was killed and nobody came back) `onStop` is called, as for a stop command.
 */
export async function createControl(options: {
  socketPath: string;
  settings: string;
  graceMs: number;
  runner: () => Runner;
  onStop: (why: string) => void;
}): Promise<Control> {
  const { runner, onStop } = options;
  const clients = new Set<Socket>();
  let pending = false;
  let orphan: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(orphan);
    if (clients.size === 0) orphan = setTimeout(() => onStop("no orchestrator"), options.graceMs);
  };
  const say = (socket: Socket, value: RunnerEvent | { event: "info"; settings: string; info: RunnerInfo }) =>
    socket.write(`${JSON.stringify(value)}\n`);
  const tell = (socket: Socket) => say(socket, { event: "info", settings: options.settings, info: runner().info() });

  const obey = (socket: Socket, line: string) => {
    const wanted = command.parse(JSON.parse(line));
    if (wanted.op === "apply") runner().apply(wanted.models);
    else if (wanted.op === "restart") runner().restart(wanted.deploymentId, wanted.why);
    else if (wanted.op === "log")
      say(socket, { event: "log", deploymentId: wanted.deploymentId, text: runner().log(wanted.deploymentId) ?? "" });
    else onStop("told to stop");
  };

  const server = createServer((socket) => {
    clients.add(socket);
    watch();
    socket.on("close", () => {
      clients.delete(socket);
      watch();
    });
    const lines = createInterface({ input: socket });
    for (const side of [socket, lines]) side.on("error", () => socket.destroy());
    lines.on("line", (line) => obey(socket, line));
    tell(socket);
  });
  await rm(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options.socketPath, resolve));
  await chmod(options.socketPath, 0o600);
  watch();
  return {
    changed() {
      if (pending) return;
      pending = true;
      setImmediate(() => {
        pending = false;
        clients.forEach(tell);
      });
    },
    async close() {
      clearTimeout(orphan);
      for (const socket of clients) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
