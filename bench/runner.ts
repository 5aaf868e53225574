/**
 * What one boxed model costs: its start (spawn -> READY, beside the imports of its Setup) and its memory, box included, with the
 * public runner beside it in the same run.
 * `node bench/runner.ts [--starts 20] [--models 1,20,50,100] [--public 3] [--json file]`; memory needs /proc.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createFleetClient } from "../models/client/fleet-client.ts";
import { CRUNCH, quiet } from "../models/fixtures/test-fleet.ts";
import { CODE } from "../models/protocol/answer-code.ts";
import { type Box, findBox, inForce, type Launch, modelUid } from "../models/runner/box.ts";
import { submissionLaunch } from "../models/runner/host-program.ts";
import { createModelHost } from "../models/runner/model-host.ts";
import { findInterpreters } from "../models/runner/python.ts";
import { createStaging } from "../models/runner/staging.ts";
import { startOrchestratorDouble } from "../tests/interop/orchestrator-double.ts";
import { startPublicClient } from "../tests/interop/public-client.ts";
import { type PublicRunner, startPublicRunner } from "../tests/interop/public-runner.ts";
import { publicPackages } from "../tests/interop/venv.ts";
import { eventually } from "../tests/interop/waiting.ts";
import { CHALLENGE, startFleetProcess, TRIVIAL } from "./fleet-process.ts";
import { memoryMb, treeOf } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    starts: { type: "string", default: "20" },
    models: { type: "string", default: "1,20,50,100" },
    public: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const STARTS = Number(flags.starts);
const PUBLIC = Number(flags.public);
const SLOT = 900;
const BASE = "tracker.TrackerBase";
const CALL_MS = 60_000;
const START_MS = 300_000;
/** Between two starts: the one before is gone by then. */
const PAUSE_MS = 100;

const spread = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50: rounded(sorted[Math.floor(sorted.length / 2)]!), max: rounded(sorted.at(-1)!) };
};
const rounded = (value: number): number => Number(value.toFixed(1));

/** One start, in ms: until it is READY, and from there until its class is imported and made. */
async function start(launch: () => Launch): Promise<[ready: number, setup: number]> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const begun = performance.now();
  const host = createModelHost({
    launch,
    logger: quiet,
    onChange: () => queueMicrotask(() => host.state() === "READY" && resolve(performance.now())),
  });
  try {
    const late = sleep(CALL_MS, undefined, { ref: false }).then(() => {
      throw new Error(`the host is not ready: ${host.reason()} ${host.log.text()}`);
    });
    const ready = await Promise.race([promise, late]);
    const [answer] = await host.run("SETUP", [{ name: BASE, args: [], kwargs: [] }], CALL_MS);
    if (answer?.code !== CODE.OK) throw new Error(`Setup failed: ${answer?.value}`);
    return [ready - begun, performance.now() - ready];
  } finally {
    await host.stop();
    await sleep(PAUSE_MS);
  }
}

/** Starts in a box and without one, in turn. */
async function starts(): Promise<object[]> {
  const state = mkdtempSync(join(tmpdir(), "almanac-start-"));
  const staging = await createStaging(state);
  try {
    const folders = await staging.stage("trivial", { code: TRIVIAL, packages: [CHALLENGE] }, modelUid(SLOT));
    const probe = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
    const box = await findBox("auto", await findInterpreters("python3"), probe);
    const open: Box = { level: "none", interpreter: box.interpreter, tried: [] };
    const { level, seccomp, memory } = inForce(box);
    const kinds = new Map([
      [`boxed (${level}${seccomp ? "+seccomp" : ""}, memory by ${memory})`, box],
      ["no box", open],
    ]);
    const times = new Map([...kinds.keys()].map((kind) => [kind, { ready: [] as number[], setup: [] as number[] }]));
    for (const own of kinds.values()) await start(() => submissionLaunch("python", own, SLOT, folders)); // files are in the page cache
    for (let i = 0; i < STARTS; i++) {
      for (const [kind, own] of kinds) {
        const [ready, setup] = await start(() => submissionLaunch("python", own, SLOT, folders));
        times.get(kind)!.ready.push(ready);
        times.get(kind)!.setup.push(setup);
      }
    }
    return [...times].map(([kind, { ready, setup }]) => row(kind, ready, setup));
  } finally {
    await staging.remove();
    rmSync(state, { recursive: true, force: true });
  }
}

const row = (kind: string, ready: readonly number[], setup: readonly number[]): object => ({
  kind,
  starts: ready.length,
  "READY ms p50": spread(ready).p50,
  "READY ms max": spread(ready).max,
  "then Setup ms p50": spread(setup).p50,
  "then Setup ms max": spread(setup).max,
});

/** The public runner: starts one after the other, Setup and a few calls by its own client, then its memory. */
async function publicRunner(count: number): Promise<{ start: object; memory: object } | undefined> {
  const packages = await publicPackages();
  if ("missing" in packages) {
    console.warn(packages.missing);
    return undefined;
  }
  await using open = new AsyncDisposableStack();
  const ready: number[] = [];
  const runners: PublicRunner[] = [];
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    runners.push(open.use(await startPublicRunner(packages.runner, { code: TRIVIAL, packages: [CHALLENGE] })));
    ready.push(performance.now() - begun);
  }
  const double = open.use(await startOrchestratorDouble(runners.map(({ port }, i) => ({ id: `m${i}`, port }))));
  const begun = performance.now();
  const client = open.use(
    await startPublicClient(packages.client, { port: double.port, crunchId: CRUNCH, baseClassname: BASE }),
  );
  const setup = [performance.now() - begun];
  await client.call({ method: "predict", kwargs: { subject: ["STRING", "BTC"] } });
  return {
    start: { ...row("public runner", ready, setup), "then Setup ms p50": null, "then Setup ms max": null },
    memory: memoryRow(
      "public runner",
      count,
      runners.flatMap(({ pid }) => treeOf(pid)),
    ),
  };
}

const memoryRow = (kind: string, models: number, pids: readonly number[], runner?: { rss: number; pss: number }) => {
  const { rss, pss } = memoryMb(pids);
  return {
    kind,
    models,
    processes: pids.length,
    "MB RSS a model": rounded(rss / models),
    "MB PSS a model": rounded(pss / models),
    ...(runner && { "runner MB RSS": rounded(runner.rss), "runner MB PSS": rounded(runner.pss) }),
  };
};

/** Our runner with so many models, all set up and called; their boxes count, the runner is told apart. */
async function memory(models: number): Promise<object> {
  await using fleet = await startFleetProcess(models);
  await using client = createFleetClient({
    host: "127.0.0.1",
    port: fleet.port,
    crunchId: CRUNCH,
    baseClassname: BASE,
    logger: quiet,
  });
  await client.init();
  await eventually(
    () => client.models().filter(({ state }) => state === "CONNECTED").length,
    (count) => count === models,
    START_MS,
  );
  for (let i = 0; i < 5; i++) {
    const results = await client.call({
      method: "predict",
      kwargs: [{ keyword: "subject", type: "STRING", value: "BTC" }],
    });
    if (results.length !== models || results.some(({ status }) => status !== "SUCCESS"))
      throw new Error("not every model answered");
  }
  const [runner, ...hosts] = treeOf(fleet.runnerPid);
  return memoryRow("ours, box included", models, hosts, memoryMb([runner!]));
}

const startRows = STARTS > 0 ? await starts() : [];
const memoryRows: object[] = [];
for (const models of flags.models.split(",").map(Number).filter(Boolean)) memoryRows.push(await memory(models));
const theirs = PUBLIC > 0 ? await publicRunner(PUBLIC) : undefined;
if (theirs) {
  startRows.push(theirs.start);
  memoryRows.push(theirs.memory);
}
console.table(startRows);
console.table(memoryRows);
if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ starts: startRows, memory: memoryRows }, null, 2)}\n`);
process.exit(0);
