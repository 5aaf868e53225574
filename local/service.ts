import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nextDelay } from "./backoff.ts";
import { endProcess, family, killAll } from "./end-process.ts";
import { readLines } from "./log-lines.ts";
import type { PidFiles } from "./pid-files.ts";
import { type Identity, identify, isAlive, startedWith } from "./process-identity.ts";

export type ServiceSpec = {
  name: string;
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** How it is asked to end (default SIGTERM). */
  stopSignal?: NodeJS.Signals;
  /** A file outlives the supervisor, so that the service can be adopted; a role's lines are shown. */
  log: { file: string } | { line: (line: string) => void };
  /** Its children outlive a death of it: its next start takes them over. */
  takesOverChildren?: boolean;
  /** Runs before every start, for what a death may have left behind. */
  beforeStart?: () => void;
};

export type ServiceDeps = {
  pidFiles: PidFiles;
  /** NAME=value in the environment of everything that this supervisor starts; "" where it cannot be read back. */
  marker: { name: string; value: string };
  /** Told when a service died and when it will be started again. */
  say: (line: string) => void;
};

export type Service = {
  readonly name: string;
  readonly current: Identity | undefined;
  /** Ends it and all that it started; kills past `deadline` (ms since the epoch). */
  stop(deadline: number): Promise<void>;
  /** Kills it and all that it started. */
  kill(): Promise<void>;
};

const ADOPTED_POLL_MS = 500;
const SERVICE_MARKER = "ALMANAC_SERVICE";

function launch(spec: ServiceSpec, { marker }: ServiceDeps): ChildProcess {
  spec.beforeStart?.();
  const env = { ...spec.env, [marker.name]: marker.value, [SERVICE_MARKER]: `${marker.value}:${spec.name}` };
  const { cwd, uid, gid } = spec;
  const place = {
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
  if ("line" in spec.log) {
    // Its own group: Ctrl-C at the terminal reaches the supervisor alone, which stops all in order.
    const child = spawn(spec.command, spec.args, { ...place, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) if (stream) readLines(stream, spec.log.line);
    return child;
  }
  mkdirSync(dirname(spec.log.file), { recursive: true });
  const log = openSync(spec.log.file, "a", 0o600);
  try {
    return spawn(spec.command, spec.args, { ...place, env, detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
}

const endOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`));
  });

async function endOfAdopted(identity: Identity): Promise<string> {
  while (isAlive(identity)) await sleep(ADOPTED_POLL_MS);
  return "ended";
}

/** Processes that a service left behind when its leader died: its group, and on Linux all that inherited its marker. */
function remains(name: string, leader: number, { marker }: ServiceDeps): Identity[] {
  const marked = startedWith(`${SERVICE_MARKER}=${marker.value}:${name}`).map(identify);
  return [...family(leader), ...marked.filter((identity) => identity !== undefined)];
}

/**
 * Keeps one service running: starts it (or watches the adopted process), records who it is, and starts it again
 * when it dies, with a growing delay.
 */
export function superviseService(spec: ServiceSpec, deps: ServiceDeps, adopted?: Identity): Service {
  const stopping = new AbortController();
  let current = adopted;
  let delay = 0;

  async function runOnce(): Promise<string> {
    if (current) return endOfAdopted(current);
    const child = launch(spec, deps);
    const end = endOf(child);
    current = child.pid === undefined ? undefined : identify(child.pid);
    if (current) deps.pidFiles.write(spec.name, current);
    return end;
  }

  async function run() {
    while (!stopping.signal.aborted) {
      const startedAt = Date.now();
      const how = await runOnce().catch((error: Error) => error.message);
      const leader = current?.pid;
      current = undefined;
      if (stopping.signal.aborted) return;
      if (leader !== undefined && !spec.takesOverChildren) await killAll(remains(spec.name, leader, deps));
      delay = nextDelay(delay, Date.now() - startedAt);
      deps.say(`${spec.name} ${how}; starting it again in ${delay / 1000} s`);
      await sleep(delay, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const finished = run();

  async function stop(deadline: number) {
    stopping.abort();
    const leader = current;
    if (leader) {
      await endProcess(leader, deadline, spec.stopSignal);
      await killAll(remains(spec.name, leader.pid, deps));
    }
    await finished;
    deps.pidFiles.remove(spec.name);
  }
  return {
    name: spec.name,
    get current() {
      return current;
    },
    stop,
    kill: () => stop(0),
  };
}
