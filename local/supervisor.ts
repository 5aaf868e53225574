import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killAll } from "./end-process.ts";
import { endLeftovers } from "./leftovers.ts";
import { acquireLock } from "./lock.ts";
import { MARKER, ownProcesses } from "./own-processes.ts";
import { createPidFiles } from "./pid-files.ts";
import type { Identity } from "./process-identity.ts";
import { type Service, type ServiceSpec, superviseService } from "./service.ts";

/** Stages start in this order and stop in the opposite one. */
const STAGES = ["database", "servers", "roles"] as const;
export type Stage = (typeof STAGES)[number];

/** When a stage is killed, counted from the beginning of the stop: all is gone within 10 s. Milliseconds. */
const KILLED_AFTER_MS: Record<Stage, number> = { roles: 8000, servers: 9000, database: 9600 };

/**
 * Keeps the services of one folder of local state running. Holds the folder's lock until stopped; throws LockedError
 * when another supervisor has it.
 */
export function createSupervisor(dir: string, say: (line: string) => void) {
  const home = resolve(dir);
  const lock = acquireLock(join(home, "supervisor.lock"));
  const pidFiles = createPidFiles(join(home, "pids"));
  const deps = { pidFiles, marker: { name: MARKER, value: home }, say };
  const running: Record<Stage, Service[]> = { database: [], servers: [], roles: [] };
  let stopped: Promise<void> | undefined;

  const sweep = () => killAll(ownProcesses(home));

  async function stopAll() {
    const begun = Date.now();
    for (const stage of STAGES.toReversed())
      await Promise.all(running[stage].map((service) => service.stop(begun + KILLED_AFTER_MS[stage])));
    await sweep();
    lock.release();
  }

  return {
    dir: home,
    /** Processes that an earlier supervisor recorded and that still live, by service name. */
    recorded: () => pidFiles.living(),
    /** Ends what an earlier supervisor left, except the processes in `adopt`. */
    endLeftovers: (adopt: readonly Identity[]) => endLeftovers(pidFiles, home, adopt),
    /** Starts a service, or goes on with the adopted process. Nothing starts once the stop has begun. */
    start(stage: Stage, spec: ServiceSpec, adopted?: Identity) {
      if (!stopped) running[stage].push(superviseService(spec, deps, adopted));
    },
    /** Who runs now, by service name. */
    current: () =>
      new Map(STAGES.flatMap((stage) => running[stage].map((service) => [service.name, service.current] as const))),
    isStopping: () => stopped !== undefined,
    /** Stops roles, then chain and Temporal, then PostgreSQL; kills what does not end in time. */
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
    /** Kills everything at once. */
    async kill() {
      stopped ??= Promise.resolve();
      const services = STAGES.flatMap((stage) => running[stage]);
      await Promise.race([Promise.all(services.map((service) => service.kill())), sleep(3000)]);
      await sweep();
      lock.release();
    },
  };
}
export type Supervisor = ReturnType<typeof createSupervisor>;
