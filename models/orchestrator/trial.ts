import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { CallResult, FleetCall } from "../client/fleet.ts";
import { createFleetClient, type FleetClient } from "../client/fleet-client.ts";
import type { SandboxMode } from "../runner/box.ts";
import type { Built } from "./build.ts";
import type { ErrorCode } from "./failure.ts";
import { type Orchestrator, startOrchestrator } from "./orchestrator.ts";

const CONNECT_MS = 90_000;
const LOOK_MS = 20;
const CRUNCH = "trial";
const MODEL = "model";
/** Crashes that end a trial. */
const RESTARTS = 2;

/** What a model is asked in its trial. */
export interface TrialSamples {
  readonly baseClassname: string;
  /** calls of each round: new data, then a question */
  readonly rounds: readonly (readonly FleetCall[])[];
  /** what is wrong with a round's last answer, for the author; null: nothing */
  readonly check: (result: CallResult) => string | null;
  /** for the calls of one round */
  readonly deadlineMs: number;
}
export interface TrialReport {
  readonly ok: boolean;
  readonly code: ErrorCode | null;
  /** for the author: what went wrong, in which step; may quote the model's own words */
  readonly problem: string | null;
  /** how strongly the model was closed in; null: there was no box to try it in */
  readonly sandbox: string | null;
  readonly rounds: number;
  /** from the start of its process to the answered Setup */
  readonly startMs: number | null;
  /** of its rounds, in milliseconds */
  readonly p50Ms: number | null;
  readonly maxMs: number | null;
  readonly lastOutput: unknown;
  /** what it printed: its author's */
  readonly log: string;
}
export interface TrialPlace {
  readonly sandbox: SandboxMode;
  readonly python: string;
  /** the model may run where there is no sandbox: it is the caller's own */
  readonly trusted: boolean;
  readonly logger: Logger;
}

class Failed extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Runs a model once as it would run in earnest: a runner of its own, a real box, the real wire, recorded data.
 * @throws Error when there is nothing to run models with on this machine
 */
export async function tryModel(
  model: Built & { readonly packages: readonly string[] },
  samples: TrialSamples,
  place: TrialPlace,
): Promise<TrialReport> {
  const folder = await mkdtemp(join(tmpdir(), "almanac-trial-"));
  const modelsFile = join(folder, "models.yaml");
  const { code, site, packages } = model;
  const entry = { id: MODEL, code, site, cruncher_id: "author", desired_state: "RUNNING", trusted: place.trusted };
  await writeFile(modelsFile, JSON.stringify({ packages, models: [entry] })); // JSON is YAML
  const { sandbox, python, logger } = place;
  try {
    await using orchestrator = await startOrchestrator({
      host: "127.0.0.1",
      port: 0,
      crunchId: CRUNCH,
      modelsFile,
      runnerPort: 0,
      sandbox,
      python,
      stateDir: join(folder, "state"),
      restartsPerHour: RESTARTS,
      logger,
    });
    await using client = createFleetClient({
      host: "127.0.0.1",
      port: orchestrator.port,
      crunchId: CRUNCH,
      baseClassname: samples.baseClassname,
      connectTries: 2,
      maxConsecutiveFailures: 0,
      maxConsecutiveTimeouts: 0,
      reportFailures: false,
      logger,
    });
    return await observeTrial(orchestrator, client, samples);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function observeTrial(
  orchestrator: Orchestrator,
  client: FleetClient,
  samples: TrialSamples,
): Promise<TrialReport> {
  const times: number[] = [];
  let startMs: number | null = null;
  let last: CallResult | undefined;
  let failed: Failed | undefined;
  try {
    const begun = performance.now();
    await client.init();
    await connected(orchestrator, client);
    startMs = performance.now() - begun;
    for (const calls of samples.rounds) {
      const before = performance.now();
      last = await round(client, calls, samples);
      times.push(performance.now() - before);
    }
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    failed = error;
  }
  const [run] = orchestrator.info().models;
  times.sort((a, b) => a - b);
  return {
    ok: failed === undefined,
    code: failed?.code ?? null,
    problem: failed?.message ?? null,
    sandbox: orchestrator.info().sandbox.level,
    rounds: times.length,
    startMs,
    p50Ms: times[Math.floor(times.length / 2)] ?? null,
    maxMs: times.at(-1) ?? null,
    lastOutput: last?.output ?? null,
    log: run ? ((await orchestrator.log(run.deploymentId)) ?? "") : "",
  };
}

/** Waits until its class was found and its instance made. */
async function connected(orchestrator: Orchestrator, client: FleetClient): Promise<void> {
  for (const end = Date.now() + CONNECT_MS; ; await sleep(LOOK_MS)) {
    const [model] = client.models();
    if (model?.state === "CONNECTED") return;
    if (model?.state === "DISCONNECTED") throw setupFailed(model.reason ?? "failed");
    const [run] = orchestrator.info().models;
    if (run?.state === "STOPPED") throw new Failed("RUN_FAILED", `Start: ${run.reason ?? "it ended"}`);
    if (Date.now() > end)
      throw new Failed("RUN_FAILED", `Start: not ready after ${CONNECT_MS / 1_000} s: ${run?.reason ?? model?.reason}`);
  }
}

const setupFailed = (reason: string): Failed =>
  new Failed(
    reason.startsWith("BAD_IMPLEMENTATION") ? "MODEL_RUNNER_BAD_IMPLEMENTATION" : "RUN_FAILED",
    `Setup: ${reason.replace(/^(MULTIPLE_FAILED|BAD_IMPLEMENTATION): (?=[A-Z_]+: )/, "")}`, // the client's word for it
  );

async function round(
  client: FleetClient,
  calls: readonly FleetCall[],
  { check, deadlineMs }: TrialSamples,
): Promise<CallResult> {
  const results = (await client.callAll({ calls, models: [MODEL], deadlineMs })).get(MODEL) ?? [];
  for (const [i, { status, detail }] of results.entries()) {
    const method = calls[i]?.method;
    if (status === "TIMEOUT")
      throw new Failed("MODEL_RUNNER_MULTIPLE_TIMEOUT", `${method}: no answer within ${deadlineMs} ms`);
    if (status !== "SUCCESS") throw new Failed("MODEL_RUNNER_MULTIPLE_FAILED", `${method}: ${detail}`);
  }
  const last = results.at(-1)!;
  const wrong = check(last);
  if (wrong !== null) throw new Failed("MODEL_RUNNER_MULTIPLE_FAILED", `${calls.at(-1)?.method}: ${wrong}`);
  return last;
}
