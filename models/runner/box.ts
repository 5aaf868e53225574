import { type BoxFolders, bwrapCommand, HOST_ENV, INSIDE, type Program, unshareCommand } from "./box-levels.ts";
import { startHostProcess } from "./host-process.ts";
import { DEFAULT_LIMITS, type ModelLimits } from "./limits.ts";
import { createModelLog } from "./log-drain.ts";
import type { Interpreter } from "./python.ts";
import { findResourceWatch, type ResourceWatch } from "./resource-watch.ts";

export type { BoxFolders, Program } from "./box-levels.ts";

/** How strongly a model's process is closed in. */
export type SandboxLevel = "bwrap" | "unshare" | "none";
export type SandboxMode = "auto" | "required" | "none";
export interface Box {
  readonly level: SandboxLevel;
  readonly interpreter: Interpreter;
  /** What was tried before and why it did not work; for the log and for people. */
  readonly tried: readonly string[];
  /** Whether system calls are filtered. */
  readonly seccomp?: boolean;
  /** Whether each model runs under an account of its own; only root can give accounts. */
  readonly accounts?: boolean;
  readonly limits?: ModelLimits;
  readonly watch?: ResourceWatch;
}
/** What of a box is in force, for people and the API. */
export interface InForce {
  readonly level: SandboxLevel;
  readonly seccomp: boolean;
  readonly memory: ResourceWatch["memory"];
  readonly processes: ResourceWatch["processes"];
  readonly cpu: ResourceWatch["cpu"];
  readonly accounts: boolean;
  readonly limits: ModelLimits;
}
/** What to give to `spawn`. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly uid?: number;
  /** The process leads a group of its own, to be killed as a whole. */
  readonly group: boolean;
  /** Files that it finds open as descriptors 4, 5, … */
  readonly files?: readonly string[];
  /** Bounds it from outside. */
  readonly watch?: ResourceWatch;
}

const FIRST_UID = 60_000;
const PROBE_MS = 10_000;
// It goes on when the runner has put it where it belongs, and ends with a runner that ends before.
const HELD_BACK = ["sh", "-c", 'read -r _ <&3 && exec "$@"', "sh"];

const isRoot = () => process.getuid?.() === 0;
/** Account of the model in this slot; other models and the node run under other ones. Only root can give accounts. */
export const modelUid = (slot: number): number | undefined => (isRoot() ? FIRST_UID + slot : undefined);

/** What of this box is in force. */
export const inForce = (box: Box): InForce => ({
  level: box.level,
  seccomp: box.seccomp ?? false,
  memory: box.watch?.memory ?? "none",
  processes: box.watch?.processes ?? "rlimit",
  cpu: box.watch?.cpu ?? "nice",
  accounts: givesAccounts(box),
  limits: box.limits ?? DEFAULT_LIMITS,
});
const givesAccounts = (box: Box): boolean => box.level !== "none" && (box.accounts ?? isRoot());

/** A Python program in a box, without site folders, user settings and cached bytecode. */
function python(interpreter: Interpreter, args: readonly string[]): Program {
  return {
    argv: [interpreter.executable, "-I", "-S", "-B", ...args],
    needs: interpreter.prefixes.filter((prefix) => !prefix.startsWith("/usr/") && prefix !== "/usr"),
    searchPath: interpreter.searchPath,
    addressSpaceLimit: true,
    python: interpreter.executable,
  };
}

/** Command line of any program in a box; inside, a model's folders are below /almanac. */
export function boxedLaunch(box: Box, slot: number, folders: BoxFolders, program: Program): Launch {
  const uid = givesAccounts(box) ? FIRST_UID + slot : undefined;
  const how = { limits: box.limits ?? DEFAULT_LIMITS, seccomp: box.seccomp ?? false, uid };
  const { argv, env, files } =
    box.level === "bwrap"
      ? bwrapCommand(folders, program, how)
      : box.level === "unshare"
        ? unshareCommand(folders, program, how)
        : { argv: program.argv, env: HOST_ENV, files: [] };
  const [command = "", ...args] = box.watch?.holdsBack ? [...HELD_BACK, ...argv] : argv;
  return {
    command,
    args,
    env,
    group: box.level === "none",
    files,
    ...(box.watch ? { watch: box.watch } : {}),
    // Dropped first: bubblewrap started by root would leave forks unlimited and some sysctls writable. The script of
    // `unshare` needs root for its mounts and takes the uid itself.
    ...(uid !== undefined && box.level === "bwrap" ? { uid } : {}),
  };
}

const LEVELS: Record<SandboxMode, readonly { level: SandboxLevel; seccomp: boolean }[]> = {
  auto: [
    { level: "bwrap", seccomp: true },
    { level: "bwrap", seccomp: false },
    { level: "unshare", seccomp: true },
    { level: "unshare", seccomp: false },
    { level: "none", seccomp: false },
  ],
  required: [{ level: "bwrap", seccomp: true }],
  none: [{ level: "none", seccomp: false }],
};
/** Name of a level for people, such as bwrap+seccomp. */
export const levelName = ({
  level,
  seccomp = false,
}: {
  readonly level: string;
  readonly seccomp?: boolean;
}): string => (seccomp ? `${level}+seccomp` : level);

/**
 * The strongest box that works here, found by running Python in it.
 * @throws Error naming what failed: with `required` when it is not bubblewrap with seccomp; always when no interpreter runs
 */
export async function findBox(
  mode: SandboxMode,
  interpreters: readonly Interpreter[],
  folders: BoxFolders,
  limits: ModelLimits = DEFAULT_LIMITS,
): Promise<Box> {
  const { watch, tried } = await findResourceWatch(limits);
  const failed: string[] = [];
  for (const how of LEVELS[mode]) {
    for (const interpreter of interpreters) {
      const box: Box = { ...how, interpreter, tried: [...tried, ...failed], accounts: isRoot(), limits, watch };
      const problem = await probe(box, folders);
      if (problem === undefined) return box;
      failed.push(`${levelName(how)} with ${interpreter.executable}: ${problem}`);
    }
  }
  const cure =
    mode === "required"
      ? "Install bubblewrap and allow user namespaces and seccomp, or set SANDBOX=auto."
      : "Install python3 3.10 or newer where every account can read it.";
  throw new Error(`No sandbox for models works under SANDBOX=${mode} (${failed.join("; ")}). ${cure}`);
}

// The same way as a host: it is started, finds its files and says so on its pipe; the filter must refuse what no namespace does.
const look = (host: string, seccomp: boolean): string => `
import errno, json, os, resource, struct
def refused():
    import socket
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error.errno == errno.EPERM
    return False
open(${JSON.stringify(`${host}/host.py`)}).close()
if ${seccomp ? "not refused()" : "False"}:
    raise SystemExit("the filter of system calls is not in force")
os.write(3, struct.pack("<I", 6) + b"inside")`;

/** Why a box does not work, or undefined. */
async function probe(box: Box, folders: BoxFolders): Promise<string | undefined> {
  const seen = box.level === "none" ? folders : INSIDE;
  const program = python(box.interpreter, ["-c", look(seen.host, box.seccomp ?? false)]);
  const log = createModelLog();
  let stop: () => Promise<unknown> = async () => undefined;
  const problem = await new Promise<string | undefined>((resolve) => {
    const fail = (why: string) => resolve(log.text().trim().split("\n").at(-1)?.slice(0, 200) || why);
    const timer = setTimeout(() => fail(`did not answer within ${PROBE_MS} ms`), PROBE_MS);
    const own = startHostProcess(boxedLaunch(box, 0, folders, program), log, {
      frame: (body) => {
        resolve(body.equals(Buffer.from("inside")) ? undefined : "answered something else");
        return false;
      },
      oversize: () => fail("answered something else"),
      end: fail,
    });
    stop = () => {
      clearTimeout(timer);
      own.kill();
      return own.exited;
    };
  });
  await stop();
  return problem;
}
