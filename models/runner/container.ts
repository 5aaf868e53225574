import type { ContainerCreateOptions, MountSettings } from "dockerode";
import { type BoxFolders, HOST_ENV, INSIDE, type Program } from "./box-levels.ts";
import { SOCKET_NAME } from "./container-channel.ts";
import { type HostKind, type HostOptions, hostProgram } from "./host-program.ts";
import { DEFAULT_LIMITS, type ModelLimits } from "./limits.ts";

/** What one model's container may use. */
export interface ContainerLimits extends ModelLimits {
  /** share of processor time; 1 is one core */
  readonly cpus: number;
}
export const CONTAINER_LIMITS: ContainerLimits = { ...DEFAULT_LIMITS, cpus: 1 };

/** What is run in it. */
export interface Submission {
  readonly kind: HostKind;
  readonly options?: HostOptions;
}

/** Names the runner whose containers these are; the value is the runner's identity. */
export const RUNNER_LABEL = "almanac.runner";
const NOBODY = "65534:65534";
const SHARED_MEMORY_MIB = 16; // as in a box; for Python's multiprocessing
const MIB = 1 << 20;
const CHANNEL_FOLDER = "/run/almanac";
// The image says where its programs are.
const { PATH: _, ...ENVIRONMENT } = HOST_ENV;

/** What to ask the engine for: one model, closed in, that can reach nothing but its folders and its channel. */
export function containerSpec(options: {
  readonly image: string;
  readonly runner: string;
  readonly limits: ContainerLimits;
  readonly folders: BoxFolders;
  readonly submission: Submission;
  /** folder of the channel's socket */
  readonly channel: string;
}): ContainerCreateOptions {
  const { image, runner, limits, folders } = options;
  const more = folders.more ?? [];
  const host = hostInImage(options.submission, more);
  return {
    Image: image,
    Labels: { [RUNNER_LABEL]: runner },
    Entrypoint: ["python3", "-I", "-S", "-B", `${INSIDE.host}/container.py`],
    Cmd: [`${CHANNEL_FOLDER}/${SOCKET_NAME}`, processLimits(limits, host), ...host.argv],
    Env: Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
    WorkingDir: "/tmp",
    User: NOBODY,
    Hostname: "model",
    Tty: false,
    OpenStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    NetworkDisabled: true,
    HostConfig: {
      Mounts: [
        readOnly(folders.host, INSIDE.host),
        readOnly(folders.packages, INSIDE.packages),
        readOnly(folders.code, INSIDE.code),
        readOnly(options.channel, CHANNEL_FOLDER),
        ...more.map((folder) => readOnly(folder, folder)),
      ],
      Tmpfs: {
        "/tmp": tmpfs(limits.tmpMiB * MIB, "1777"),
        // Some engines give every read-only container a /var/tmp that anybody may fill.
        "/var/tmp": tmpfs(4096, "0755"),
      },
      ...isolation,
      ...quotas(limits),
    },
  };
}

// Interpreters of the image, by name. Its Python knows the image's packages only when it may read its site folders.
const IMAGE_PYTHON = {
  executable: "python3",
  version: [3, 10, 0] as [number, number, number],
  site: [],
  prefixes: [],
  searchPath: "",
};
function hostInImage({ kind, options }: Submission, more: readonly string[]): Program {
  const site = [...more, ...(options?.site ?? [])];
  const program = hostProgram(kind, IMAGE_PYTHON, INSIDE, { ...options, site });
  const [, ...args] = program.argv;
  const name = kind === "python" ? "python3" : "node";
  return { ...program, argv: [name, ...args.filter((arg) => arg !== "-S")] };
}

const readOnly = (source: string, target: string): MountSettings => ({
  Type: "bind",
  Source: source,
  Target: target,
  ReadOnly: true,
  BindOptions: { Propagation: "rprivate" },
});

const tmpfs = (bytes: number, mode: string): string => `rw,noexec,nosuid,nodev,mode=${mode},size=${bytes}`;

const isolation = {
  NetworkMode: "none",
  IpcMode: "private",
  ReadonlyRootfs: true,
  Privileged: false,
  CapDrop: ["ALL"],
  SecurityOpt: ["no-new-privileges"],
  RestartPolicy: { Name: "no" },
  // The engine keeps no log: a flood would fill its disk. What is printed goes through the attached stream.
  LogConfig: { Type: "none", Config: {} },
};

const quotas = (limits: ContainerLimits) => ({
  Memory: limits.memoryMiB * MIB,
  MemorySwap: limits.memoryMiB * MIB,
  PidsLimit: limits.processes,
  NanoCpus: Math.round(limits.cpus * 1e9),
  ShmSize: SHARED_MEMORY_MIB * MIB,
});

/**
 * Set by host/container.py for what it starts, by name of RLIMIT_…: an engine adds limits of its own to those it is given, which
 * not every machine can hold.
 */
const processLimits = (limits: ContainerLimits, { addressSpaceLimit }: Program): string =>
  [
    ...(addressSpaceLimit ? [`AS=${limits.addressSpaceMiB * MIB}`] : []),
    `NOFILE=${limits.openFiles}`,
    `FSIZE=${limits.fileSizeMiB * MIB}`,
    "CORE=0",
    "MSGQUEUE=0",
  ].join(",");
