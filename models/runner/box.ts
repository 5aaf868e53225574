import { execFile } from "node:child_process";
import { lstatSync, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import type { Interpreter } from "./python.ts";

const run = promisify(execFile);

/** How strongly a model's process is closed in. */
export type SandboxLevel = "bwrap" | "unshare" | "none";
export type SandboxMode = "auto" | "required" | "none";
/** Folders of one model: the host program, the competition's packages, the submission. All are read-only inside. */
export interface BoxFolders {
  readonly host: string;
  readonly packages: string;
  readonly code: string;
}
export interface Box {
  readonly level: SandboxLevel;
  readonly interpreter: Interpreter;
  /** What was tried before and why it did not work; for the log and for people. */
  readonly tried: readonly string[];
}
/** What to give to `spawn`. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly uid?: number;
  /** The process leads a group of its own, to be killed as a whole. */
  readonly group: boolean;
}

const FIRST_UID = 60_000;
const LIMITS = ["--as=2147483648", "--nproc=128", "--nofile=256", "--core=0", "--fsize=67108864", "--"];
const INSIDE: BoxFolders = { host: "/almanac/host", packages: "/almanac/packages", code: "/almanac/code" };
const HOST_ENV = {
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
  PATH: "/usr/bin:/bin",
  OMP_NUM_THREADS: "1",
  OPENBLAS_NUM_THREADS: "1",
};
const isRoot = () => process.getuid?.() === 0;
/** Account of the model in this slot; other models and the node run under other ones. Only root can give accounts. */
export const modelUid = (slot: number): number | undefined => (isRoot() ? FIRST_UID + slot : undefined);

/** Command line of a model's host in a box. `slot` makes its uid. */
export function hostLaunch(box: Box, slot: number, folders: BoxFolders): Launch {
  const seen = box.level === "none" ? folders : INSIDE;
  const python = [
    "-I",
    "-S",
    "-B",
    `${seen.host}/host.py`,
    seen.code,
    seen.packages,
    JSON.stringify(box.interpreter.site),
  ];
  return launch(box, slot, folders, python);
}

function launch(box: Box, slot: number, folders: BoxFolders, python: readonly string[]): Launch {
  const program = [box.interpreter.executable, ...python];
  if (box.level === "bwrap") return bwrap(box.interpreter, slot, folders, program);
  if (box.level === "unshare") return unshare(slot, folders, program);
  const [command = "", ...args] = program;
  return { command, args, env: HOST_ENV, group: true };
}

function bwrap(interpreter: Interpreter, slot: number, folders: BoxFolders, program: readonly string[]): Launch {
  const uid = modelUid(slot);
  const args = [
    ...LIMITS,
    "bwrap",
    ...[
      "--unshare-all",
      "--unshare-user",
      "--disable-userns",
      "--die-with-parent",
      "--cap-drop",
      "ALL",
      "--clearenv",
      "--uid",
      "65534",
      "--gid",
      "65534",
    ],
    ...Object.entries(HOST_ENV).flatMap(([name, value]) => ["--setenv", name, value]),
    ...["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"],
    ...["bin", "lib", "lib64", "sbin"].flatMap(systemFolder),
    ...outsideUsr(interpreter).flatMap((prefix) => ["--ro-bind", prefix, prefix]),
    ...["--proc", "/proc", "--dev", "/dev", "--size", "67108864", "--tmpfs", "/tmp"],
    ...[
      "--ro-bind",
      folders.host,
      INSIDE.host,
      "--ro-bind",
      folders.packages,
      INSIDE.packages,
      "--ro-bind",
      folders.code,
      INSIDE.code,
    ],
    ...["--remount-ro", "/", "--chdir", "/tmp", "--", ...program],
  ];
  // The uid is dropped first: bubblewrap started by root would leave forks unlimited and some sysctls writable.
  return {
    command: "prlimit",
    args,
    env: { PATH: interpreter.searchPath },
    group: false,
    ...(uid === undefined ? {} : { uid }),
  };
}

function unshare(slot: number, folders: BoxFolders, program: readonly string[]): Launch {
  const uid = modelUid(slot);
  const namespaces = [
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=KILL",
    "--net",
    "--ipc",
    "--uts",
    ...(uid === undefined ? ["--user", "--map-root-user"] : []),
  ];
  const args = [
    ...["--pdeathsig", "KILL", "unshare", ...namespaces, "--"],
    ...[
      "sh",
      `${folders.host}/box.sh`,
      folders.host,
      folders.packages,
      folders.code,
      uid === undefined ? "" : String(uid),
    ],
    ...["prlimit", ...LIMITS, ...program],
  ];
  return { command: "setpriv", args, env: { ...HOST_ENV, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }, group: false };
}

function systemFolder(name: string): string[] {
  const entry = lstatSync(`/${name}`, { throwIfNoEntry: false });
  if (entry === undefined) return [];
  return entry.isSymbolicLink()
    ? ["--symlink", readlinkSync(`/${name}`), `/${name}`]
    : ["--ro-bind", `/${name}`, `/${name}`];
}

const outsideUsr = (interpreter: Interpreter): string[] =>
  interpreter.prefixes.filter((prefix) => !prefix.startsWith("/usr/") && prefix !== "/usr");

/**
 * The strongest box that works here, found by running Python in it.
 * @throws Error naming what failed: with `required` when it is not bubblewrap; always when no interpreter runs
 */
export async function findBox(
  mode: SandboxMode,
  interpreters: readonly Interpreter[],
  folders: BoxFolders,
): Promise<Box> {
  const levels: SandboxLevel[] =
    mode === "none" ? ["none"] : mode === "required" ? ["bwrap"] : ["bwrap", "unshare", "none"];
  const tried: string[] = [];
  for (const level of levels) {
    for (const interpreter of interpreters) {
      const problem = await probe({ level, interpreter, tried: [] }, folders);
      if (problem === undefined) return { level, interpreter, tried };
      tried.push(`${level} with ${interpreter.executable}: ${problem}`);
    }
  }
  const cure =
    mode === "required"
      ? "Install bubblewrap and allow user namespaces, or set SANDBOX=auto."
      : "Install python3 3.10 or newer where every account can read it.";
  throw new Error(`No sandbox for models works under SANDBOX=${mode} (${tried.join("; ")}). ${cure}`);
}

async function probe(box: Box, folders: BoxFolders): Promise<string | undefined> {
  const seen = box.level === "none" ? folders : INSIDE;
  const script = `import json, resource, struct; open(${JSON.stringify(`${seen.host}/host.py`)}).close(); print("inside")`;
  const { command, args, env, uid } = launch(box, 0, folders, ["-I", "-S", "-B", "-c", script]);
  try {
    const { stdout } = await run(command, [...args], {
      env,
      cwd: "/",
      timeout: 10_000,
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    return stdout.trim() === "inside" ? undefined : "the probe did not answer";
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim() || message).split("\n").at(-1)?.slice(0, 200);
  }
}
