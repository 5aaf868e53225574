import { lstatSync, readlinkSync } from "node:fs";
import { type ModelLimits, mebibytes, processLimits } from "./limits.ts";
import { FILTER_FILE } from "./seccomp.ts";

/** Folders of one model, all read-only inside. */
export interface BoxFolders {
  /** the host programs, and the filter of system calls */
  readonly host: string;
  /** the competition's packages */
  readonly packages: string;
  /** the submission */
  readonly code: string;
  /** more that it needs, such as an environment's packages; at the same paths inside, and readable for its account */
  readonly more?: readonly string[];
}
/** What runs in a box. */
export interface Program {
  /** absolute path of the executable, and its arguments */
  readonly argv: readonly string[];
  /** folders that the executable needs beside the system's */
  readonly needs: readonly string[];
  /** PATH by which the tools of the box are found */
  readonly searchPath: string;
  /** false for programs that reserve far more address space than they use */
  readonly addressSpaceLimit: boolean;
  /** Python for the filter's loader, where the tools of the box have none */
  readonly python: string;
}
/** How a command is closed in. */
export interface Enclosure {
  readonly limits: ModelLimits;
  readonly seccomp: boolean;
  /** account of its own; undefined: ours */
  readonly uid: number | undefined;
}
export interface BoxCommand {
  readonly argv: readonly string[];
  readonly env: Record<string, string>;
  /** files that it finds open as descriptors 4, 5, … */
  readonly files: readonly string[];
}

/** Where a model sees its folders. */
export const INSIDE: BoxFolders = { host: "/almanac/host", packages: "/almanac/packages", code: "/almanac/code" };
/** All that a model sees of an environment. */
export const HOST_ENV = {
  HOME: "/tmp",
  TMPDIR: "/tmp",
  LANG: "C.UTF-8",
  PATH: "/usr/bin:/bin",
  OMP_NUM_THREADS: "1",
  OPENBLAS_NUM_THREADS: "1",
};
/** First descriptor behind the pipe to the runner. */
const FILTER_DESCRIPTOR = "4";
const SHM_MIB = 16;

export function bwrapCommand(folders: BoxFolders, program: Program, { limits, seccomp }: Enclosure): BoxCommand {
  const argv = [
    ...["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"],
    ...["--cap-drop", "ALL", "--clearenv", "--uid", "65534", "--gid", "65534"],
    ...(seccomp ? ["--seccomp", FILTER_DESCRIPTOR] : []),
    ...Object.entries(HOST_ENV).flatMap(([name, value]) => ["--setenv", name, value]),
    ...readOnly("/usr", "/usr"),
    ...["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"],
    ...["bin", "lib", "lib64", "sbin"].flatMap(systemFolder),
    // /dev is a tmpfs without a limit, and part of /proc/sys would be the model's own: neither may be written.
    ...["--proc", "/proc", "--remount-ro", "/proc"],
    ...["--dev", "/dev", "--size", mebibytes(SHM_MIB), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"],
    ...["--size", mebibytes(limits.tmpMiB), "--tmpfs", "/tmp"],
    // Behind /tmp, which would hide those that lie below it.
    ...[...program.needs, ...(folders.more ?? [])].flatMap((path) => readOnly(path, path)),
    ...readOnly(folders.host, INSIDE.host),
    ...readOnly(folders.packages, INSIDE.packages),
    ...readOnly(folders.code, INSIDE.code),
    ...["--remount-ro", "/", "--chdir", "/tmp", "--"],
    // Inside, so that processes are counted for this box and not for all that the account runs.
    ...["prlimit", ...processLimits(limits, program.addressSpaceLimit), ...program.argv],
  ];
  const files = seccomp ? [`${folders.host}/${FILTER_FILE}`] : [];
  return { argv, env: { PATH: program.searchPath }, files };
}

export function unshareCommand(folders: BoxFolders, program: Program, how: Enclosure): BoxCommand {
  const { limits, seccomp, uid } = how;
  const argv = [
    ...["setpriv", "--pdeathsig", "KILL"],
    ...["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--net", "--ipc", "--uts"],
    ...(uid === undefined ? ["--user", "--map-root-user"] : []),
    ...["--", "sh", `${folders.host}/box.sh`, uid === undefined ? "" : String(uid), `${limits.tmpMiB}m`, `${SHM_MIB}m`],
    ...[folders.host, folders.packages, folders.code, ...program.needs, ...(folders.more ?? []), "--"],
    ...["prlimit", ...processLimits(limits, program.addressSpaceLimit)],
    ...(seccomp
      ? [program.python, "-I", "-S", "-B", `${INSIDE.host}/seccomp_exec.py`, `${INSIDE.host}/${FILTER_FILE}`]
      : []),
    ...program.argv,
  ];
  return { argv, env: { ...HOST_ENV, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }, files: [] };
}

const readOnly = (from: string, to: string): string[] => ["--ro-bind", from, to];

function systemFolder(name: string): string[] {
  const entry = lstatSync(`/${name}`, { throwIfNoEntry: false });
  if (entry === undefined) return [];
  return entry.isSymbolicLink()
    ? ["--symlink", readlinkSync(`/${name}`), `/${name}`]
    : readOnly(`/${name}`, `/${name}`);
}
