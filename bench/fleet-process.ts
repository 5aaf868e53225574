import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { CRUNCH } from "../models/fixtures/test-fleet.ts";
import { PROBE_FILE } from "./loop-probe.ts";
import { childOf } from "./processes.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** Where the sample competition's base class is. */
export const CHALLENGE = join(ROOT, "competitions/realtime/challenge");
export const TRIVIAL = join(ROOT, "tests/interop/models/trivial.py");

interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}
/** Our orchestrator with its runner, outside of the measuring process. */
export interface FleetProcess extends AsyncDisposable {
  readonly port: number;
  readonly runnerPid: number;
  /** how late the runner's event loop was since the last asking, in ms */
  loopDelay(): Promise<LoopDelay>;
}

/** A model that nobody trusts: where there is no sandbox it does not run. */
export interface Stranger {
  readonly id: string;
  readonly code: string;
}

/** Starts a fleet of trivial models, named m0, m1 and so on, and strangers beside them. They run as soon as clients see them. */
export async function startFleetProcess(count: number, strangers: readonly Stranger[] = []): Promise<FleetProcess> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-fanout-"));
  const modelsFile = join(folder, "models.yaml");
  const stateDir = join(folder, "state");
  const trivial = Array.from({ length: count }, (_, i) => ({ id: `m${i}`, code: TRIVIAL, trusted: true }));
  const models = [...trivial, ...strangers].map((model, i) => ({
    ...model,
    desired_state: "RUNNING",
    crunch_id: CRUNCH,
    cruncher_id: `c${i}`,
  }));
  writeFileSync(modelsFile, stringify({ packages: [CHALLENGE], models }));
  const program = join(ROOT, "models/fixtures/run-orchestrator.ts");
  const probe = join(import.meta.dirname, "loop-probe.ts");
  const child = spawn(process.execPath, ["--import", probe, program, modelsFile, stateDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = await once(createInterface({ input: child.stdout }), "line");
  const runnerPid = childOf(child.pid!, /runner\/main/);
  if (runnerPid === undefined) throw new Error("the orchestrator has no runner");
  const probeFile = join(stateDir, PROBE_FILE);
  return {
    port: Number(port),
    runnerPid,
    async loopDelay() {
      rmSync(probeFile, { force: true });
      process.kill(runnerPid, "SIGUSR2");
      for (const until = Date.now() + 10_000; Date.now() < until; await sleep(20)) {
        try {
          return JSON.parse(readFileSync(probeFile, "utf8")) as LoopDelay;
        } catch {} // not written yet
      }
      throw new Error("the runner tells nothing of its event loop");
    },
    async [Symbol.asyncDispose]() {
      const closed = once(child, "close");
      child.kill("SIGTERM");
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
