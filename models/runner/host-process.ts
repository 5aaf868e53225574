import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import type { Launch } from "./box.ts";
import { createFrameReader } from "./frames.ts";
import type { ModelLog } from "./log-drain.ts";

const EXIT_GRACE_MS = 50;

/** One run of a host: a process and the pipe to it. */
export interface HostProcess {
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
  /** It is over, for this reason. May come more than once. */
  end(why: string): void;
}

/** Starts a host with its private pipe as descriptor 3. Never throws: what goes wrong is an end. */
export function startHostProcess(launch: Launch, log: ModelLog, events: HostEvents): HostProcess {
  const { command, args, env, uid, group } = launch;
  let own: ChildProcess;
  try {
    own = spawn(command, [...args], {
      env,
      cwd: "/",
      detached: group,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
  } catch (error) {
    setImmediate(() => events.end((error as Error).message));
    return { write: () => undefined, kill: () => undefined, exited: Promise.resolve() };
  }
  const channel = own.stdio[3] as Duplex;
  channel.on("data", createFrameReader(events.frame, events.oversize));
  channel.on("error", () => channel.destroy());
  // The exit, a moment later, says more than the closed pipe.
  channel.on("close", () => setTimeout(() => events.end(ending(own)), EXIT_GRACE_MS));
  own.on("error", (error) => events.end(error.message));
  own.on("exit", () => events.end(ending(own)));
  for (const stream of [own.stdout, own.stderr]) if (stream) log.drain(stream);
  return {
    write: (frame) => channel.write(frame),
    kill: () => {
      channel.destroy();
      kill(own, group);
    },
    exited: new Promise((resolve) => own.once("close", resolve).once("error", resolve)),
  };
}

function ending({ exitCode, signalCode }: ChildProcess): string {
  if (signalCode) return `ended by ${signalCode}`;
  return exitCode === null ? "closed its pipe" : `exited with ${exitCode}`;
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
