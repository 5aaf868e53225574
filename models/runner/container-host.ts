import { mkdir } from "node:fs/promises";
import type { Logger } from "pino";
import type { BoxFolders } from "./box.ts";
import { CONTAINER_LIMITS, type ContainerLimits, containerSpec, type Submission } from "./container.ts";
import { removeContainerChannels } from "./container-channel.ts";
import { checkEngine, type EngineInfo, openEngine, removeContainersOf } from "./container-engine.ts";
import { runContainer } from "./container-run.ts";
import type { HostEvents, HostProcess } from "./host-process.ts";
import type { ModelLog } from "./log-drain.ts";

export interface ContainerHostsOptions {
  /** the engine's Unix socket: a path, or unix:// and a path */
  readonly engine: string;
  /** has python3, 3.10 or newer, and the packages that models may use; node for submissions in JavaScript */
  readonly image: string;
  /** identity of the runner, the same in its next run */
  readonly runner: string;
  /** for the channels' sockets, of this runner alone; made if missing. A short path: sockets take 107 bytes */
  readonly folder: string;
  readonly limits?: Partial<ContainerLimits>;
  readonly logger: Logger;
}
/** Starts hosts of models in containers, each as `startHostProcess` starts one in a box. */
export interface ContainerHosts {
  /** Never throws: what goes wrong is an end. */
  start(folders: BoxFolders, log: ModelLog, events: HostEvents, submission?: Submission): HostProcess;
  /** Ends what a killed runner of the same identity left behind; to be called before the first start. */
  removeLeftovers(): Promise<void>;
  describe(): EngineInfo;
}

/** @throws Error naming cause and cure when the engine or the image is not there */
export async function createContainerHosts(options: ContainerHostsOptions): Promise<ContainerHosts> {
  const { engine, image, runner, folder, logger } = options;
  const limits = { ...CONTAINER_LIMITS, ...options.limits };
  const docker = await openEngine(engine);
  const description = await checkEngine(docker, engine, image);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const create = (folders: BoxFolders, submission: Submission, channel: string) =>
    docker.createContainer(containerSpec({ image, runner, limits, folders, submission, channel }));
  return {
    describe: () => description,
    async removeLeftovers() {
      const removed = await removeContainersOf(docker, runner);
      await removeContainerChannels(folder);
      if (removed > 0) logger.warn({ removed }, "containers of a killed runner were removed");
    },
    start: (folders, log, events, submission = { kind: "python" }) =>
      runContainer({ folder, limits, create: (channel) => create(folders, submission, channel), log, events, logger }),
  };
}
