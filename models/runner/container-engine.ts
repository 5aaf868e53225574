import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { z } from "zod";
import { RUNNER_LABEL } from "./container.ts";

const ANSWER_MS = 10_000;
const REMOVE_ATTEMPTS = 6;
const REMOVE_PAUSE_MS = 100;

const version = z.object({
  Version: z.string(),
  Components: z.array(z.object({ Name: z.string() })).optional(),
});
const info = z.object({ MemoryLimit: z.boolean(), PidsLimit: z.boolean(), CpuCfsQuota: z.boolean() });
const listed = z.array(z.object({ Id: z.string().min(1) }));

/** What runs the containers, for people and for the decision whether it is strong enough. */
export interface EngineInfo {
  readonly engine: string;
  readonly version: string;
  /** limits of ours that it cannot hold here; empty when it holds all */
  readonly missing: readonly string[];
}

/**
 * The engine behind a Docker-compatible API on a Unix socket of this machine: a path or `unix://` and a path. Containers
 * reach their runner by a folder of this machine, so an engine elsewhere cannot be used.
 * @throws Error naming cause and cure: another kind of address
 */
export async function openEngine(address: string): Promise<Docker> {
  const socketPath = address.replace(/^unix:\/\//, "");
  if (!socketPath.startsWith("/"))
    throw new Error(
      `DOCKER_HOST is ${address}; models need an engine of this machine, such as unix:///var/run/docker.sock.`,
    );
  const { default: DockerClient } = await import("dockerode");
  return new DockerClient({ socketPath });
}

/** @throws Error naming cause and cure when the engine does not answer or has no such image */
export async function checkEngine(docker: Docker, address: string, image: string): Promise<EngineInfo> {
  const found = await describeEngine(docker).catch((error: Error) => {
    throw new Error(
      `The container engine at ${address} does not answer (${error.message}). Start it, allow this account to use its socket, or set MODEL_BACKEND=process.`,
    );
  });
  await docker
    .getImage(image)
    .inspect()
    .catch((error: Error) => {
      throw new Error(
        statusOf(error) === 404
          ? `The container engine at ${address} has no image ${image}. Pull or build it, or set MODEL_IMAGE; it needs python3 3.10 or newer.`
          : `The container engine at ${address} cannot look at the image ${image}: ${error.message}`,
      );
    });
  return found;
}

const inTime = <T>(answer: Promise<T>): Promise<T> =>
  Promise.race([
    answer,
    sleep(ANSWER_MS, undefined, { ref: false }).then(() => {
      throw new Error(`nothing within ${ANSWER_MS} ms`);
    }),
  ]);

async function describeEngine(docker: Docker): Promise<EngineInfo> {
  const about = version.parse(await inTime(docker.version()));
  const can = info.parse(await inTime(docker.info()));
  const missing = [
    ...(can.MemoryLimit ? [] : ["memory"]),
    ...(can.PidsLimit ? [] : ["processes"]),
    ...(can.CpuCfsQuota ? [] : ["processor time"]),
  ];
  return { engine: about.Components?.[0]?.Name ?? "Docker Engine", version: about.Version, missing };
}

/** Removes every container of this runner, running or not; for a start, before it makes any. Returns their number. */
export async function removeContainersOf(docker: Docker, runner: string): Promise<number> {
  const filters = { label: [`${RUNNER_LABEL}=${runner}`] };
  const left = listed.parse(await docker.listContainers({ all: true, filters }));
  await Promise.all(left.map(({ Id }) => removeContainer(docker.getContainer(Id))));
  return left.length;
}

/**
 * Ends and removes it with all its processes; that it is gone already is fine. An engine refuses when the container ends by itself
 * at the same moment: it is asked again.
 */
export async function removeContainer(container: Docker.Container): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await container.remove({ force: true, v: true });
      return;
    } catch (error) {
      if (statusOf(error) === 404) return;
      if (attempt === REMOVE_ATTEMPTS) throw error;
      await sleep(attempt * REMOVE_PAUSE_MS);
    }
  }
}

const statusOf = (error: unknown): number | undefined => (error as { statusCode?: number }).statusCode;
