import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { Duplex } from "node:stream";
import type { Launch } from "./box.ts";
import { createFrameReader } from "./frames.ts";
import type { ModelLog } from "./log-drain.ts";
import type { WatchedRun } from "./resource-watch.ts";

const EXIT_GRACE_MS = 50;
/** Boxes and shells exit with this and the number of the signal that ended what ran in them. */
const SIGNALLED = 128;
const GO = "\n";

/** One run of a host: a process and the pipe to it. */
export interface HostProcess {
  /** of its outermost process; none when it could not be started, or is not of this machine */
  readonly pid?: number | undefined;
  write(frame: Buffer): void;
  /** Ends it, and in a box all that it started. */
  kill(): void;
  /** Resolves when nothing of it is left to wait for. */
  readonly exited: Promise<unknown>;
}
export interface HostEvents {
  /** A frame came; false: nothing more is wanted. */
  frame(body: Buffer): boolean;
  /** It announced a frame above the limit. */
  oversize(length: number): void;
  /** It is over, or has to be, for this reason. May come more than once. */
  end(why: string): void;
}

/** Starts a host with its private pipe as descriptor 3. Never throws: what goes wrong is an end. */
export function startHostProcess(launch: Launch, log: ModelLog, events: HostEvents): HostProcess {
  let run: WatchedRun | undefined;
  let own: ChildProcess;
  try {
    run = launch.watch?.begin(events.end);
    own = start(launch);
  } catch (error) {
    setImmediate(() => events.end((error as Error).message));
    const exited = run?.end() ?? Promise.resolve();
    return { write: () => undefined, kill: () => undefined, exited };
  }
  const channel = own.stdio[3] as Duplex;
  const ended = () => events.end(run?.verdict() ?? ending(own));
  channel.on("data", createFrameReader(events.frame, events.oversize));
  channel.on("error", () => channel.destroy());
  // The exit, a moment later, says more than the closed pipe.
  channel.on("close", () => setTimeout(ended, EXIT_GRACE_MS));
  own.on("error", (error) => events.end(error.message));
  own.on("exit", ended);
  for (const stream of [own.stdout, own.stderr]) if (stream) log.drain(stream);
  if (run && own.pid !== undefined) {
    run.enter(own.pid).then(
      () => launch.watch?.holdsBack && channel.write(GO),
      (error: Error) => events.end(`could not be given its limits: ${error.message}`),
    );
  }
  return {
    pid: own.pid,
    write: (frame) => channel.write(frame),
    kill: () => {
      channel.destroy();
      kill(own, launch.group);
    },
    exited: new Promise((resolve) => own.once("close", resolve).once("error", resolve)).then(() => run?.end()),
  };
}

function start({ command, args, env, uid, group, files = [] }: Launch): ChildProcess {
  // Opened anew each time: who reads a filter leaves its shared position at the end.
  const opened: number[] = [];
  try {
    for (const file of files) opened.push(openSync(file, "r"));
    const stdio: StdioOptions = ["ignore", "pipe", "pipe", "pipe", ...opened];
    opened.push(openSync("/dev/null", "r"));
    for (const leak of leaks()) {
      while (stdio.length < leak) stdio.push("ignore"); // leaves what is there
      if (stdio.length === leak) stdio.push(opened.at(-1));
    }
    return spawn(command, [...args], {
      env,
      cwd: "/",
      detached: group,
      stdio,
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
  } finally {
    opened.forEach(closeSync);
  }
}

const [FIRST_LEAK, CLOSES_ON_EXEC] = [4, 0o2000000];
let inherited: number[] | undefined;

/**
 * Descriptors that whoever started us left open, and that Node would hand on: a model finds nothing behind them. Looked for once;
 * Node opens its own so that they are not inherited. Ascending.
 */
function leaks(): readonly number[] {
  inherited ??= listed("/proc/self/fd")
    .map(Number)
    .filter((fd) => fd >= FIRST_LEAK && stays(fd))
    .sort((a, b) => a - b);
  return inherited;
}
const listed = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
function stays(fd: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & CLOSES_ON_EXEC) === 0;
  } catch {
    return false; // the one that listed them
  }
}

function ending({ exitCode, signalCode }: ChildProcess): string {
  if (signalCode) return `ended by ${signalCode}`;
  if (exitCode === null) return "closed its pipe";
  const [signal] = Object.entries(constants.signals).find(([, number]) => number === exitCode - SIGNALLED) ?? [];
  return signal ? `exited with ${exitCode} (${signal})` : `exited with ${exitCode}`;
}

/** A box dies with its outer process; without one the group is all there is, also when its leader is gone. */
function kill({ pid, exitCode, signalCode }: ChildProcess, group: boolean): void {
  if (pid === undefined || (!group && (exitCode !== null || signalCode !== null))) return;
  try {
    process.kill(group ? -pid : pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
