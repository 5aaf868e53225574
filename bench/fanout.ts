/**
 * One tick (100 candles) and one predict over N models: our pieces beside the public ones, in one run, block by block in turn.
 *   a  model-runner-client over crunch-model-runner     b  our client over crunch-model-runner
 *   c  model-runner-client over our runner              d  our client over our runner
 * `node bench/fanout.ts [--models 1,5,20,50] [--rounds 200] [--blocks 10] [--warm rounds] [--variants abcd] [--fleet 500]
 * [--fleet-rounds 200] [--pause 5] [--json file]`. `--models ""` measures the large fleet alone, `--fleet 0` leaves it out.
 * Compare figures of one run only.
 */
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createFleetClient, type FleetClient } from "../models/client/fleet-client.ts";
import { CRUNCH, quiet } from "../models/fixtures/test-fleet.ts";
import { startOrchestratorDouble } from "../tests/interop/orchestrator-double.ts";
import { type PublicCall, startPublicClient } from "../tests/interop/public-client.ts";
import { startPublicRunners } from "../tests/interop/public-runner.ts";
import { publicPackages } from "../tests/interop/venv.ts";
import { eventually } from "../tests/interop/waiting.ts";
import { CHALLENGE, startFleetProcess, TRIVIAL } from "./fleet-process.ts";
import { PROBE_MS } from "./loop-probe.ts";
import { cpuMs, treeOf } from "./processes.ts";

const { values: flags } = parseArgs({
  options: {
    models: { type: "string", default: "1,5,20,50" },
    rounds: { type: "string", default: "200" },
    blocks: { type: "string", default: "10" },
    warm: { type: "string" },
    variants: { type: "string", default: "abcd" },
    fleet: { type: "string", default: "500" },
    "fleet-rounds": { type: "string", default: "200" },
    pause: { type: "string", default: "5" },
    json: { type: "string" },
  },
});
const ROUNDS = Number(flags.rounds);
const BLOCKS = Math.min(Number(flags.blocks), ROUNDS);
/** Rounds before any is measured: a coordinator runs for weeks, and Node compiles what it does within its first few thousand calls. */
const warmRounds = (models: number): number => Number(flags.warm ?? Math.max(300, Math.ceil(4000 / models)));
const PAUSE_MS = Number(flags.pause);
const BASE = "tracker.TrackerBase";
const DEADLINE_MS = 20_000;
const START_MS = 300_000;

const candles = Array.from({ length: 100 }, (_, i) => ({
  ts: 1_700_000_000 + i * 60,
  open: 65_000.12 + i,
  high: 65_010.5 + i,
  low: 64_990.25 + i,
  close: 65_001.75 + i,
  volume: 12.5,
}));
const tick = { symbol: "BTC", asof_ts: candles.at(-1)!.ts, candles_1m: candles };
const EXPECTED = candles.at(-1)!.close;
const PUBLIC_CALLS: (PublicCall & { expect?: unknown })[] = [
  { method: "tick", args: [["JSON", tick]] },
  {
    method: "predict",
    kwargs: { subject: ["STRING", "BTC"], resolve_horizon_seconds: ["INT", 60], step_seconds: ["INT", 15] },
    expect: { value: EXPECTED },
  },
];
const OUR_CALLS = PUBLIC_CALLS.map(({ method, args = [], kwargs = {} }) => ({
  method,
  args: args.map(([type, value]) => ({ type, value })),
  kwargs: Object.entries(kwargs).map(([keyword, [type, value]]) => ({ keyword, type, value })),
}));

interface Block {
  /** of each round */
  readonly ms: readonly number[];
  /** of the client's process */
  readonly cpuMs: number;
  /** of our runner, and of all its models' processes */
  readonly runnerMs?: number;
  readonly hostsMs?: number;
}
interface Variant extends AsyncDisposable {
  readonly name: string;
  run(rounds: number): Promise<Block>;
}

async function theirClient(name: string, python: string, port: number, models: number): Promise<Variant> {
  const client = await startPublicClient(python, { port, crunchId: CRUNCH, baseClassname: BASE, timeout: 20 });
  await eventually(
    async () => (await client.models()).length,
    (count) => count === models,
    START_MS,
  );
  return {
    name,
    async run(rounds) {
      const { ms, cpu_ms } = await client.bench({ rounds, models, calls: PUBLIC_CALLS, pause_ms: PAUSE_MS });
      return { ms, cpuMs: cpu_ms };
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** Adds what the runner and its hosts took. */
function beside(variant: Variant, runnerPid: number): Variant {
  return {
    name: variant.name,
    async run(rounds) {
      const hosts = treeOf(runnerPid).slice(1);
      const [runner, hosted] = [cpuMs([runnerPid]), cpuMs(hosts)];
      const block = await variant.run(rounds);
      return { ...block, runnerMs: cpuMs([runnerPid]) - runner, hostsMs: cpuMs(hosts) - hosted };
    },
    [Symbol.asyncDispose]: () => variant[Symbol.asyncDispose](),
  };
}

async function ourClient(name: string, port: number, models: number): Promise<Variant> {
  const client = createFleetClient({ host: "127.0.0.1", port, crunchId: CRUNCH, baseClassname: BASE, logger: quiet });
  await client.init();
  await eventually(
    () => client.models().filter(({ state }) => state === "CONNECTED").length,
    (count) => count === models,
    START_MS,
  );
  return {
    name,
    async run(rounds) {
      const ms: number[] = [];
      const before = process.cpuUsage();
      for (let i = 0; i < rounds; i++) {
        ms.push(await round(client, models));
        await sleep(PAUSE_MS);
      }
      const { user, system } = process.cpuUsage(before);
      return { ms, cpuMs: (user + system) / 1000 };
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** Milliseconds of one round. A wrong answer ends the benchmark: its figures would mean nothing. */
async function round(client: FleetClient, models: number): Promise<number> {
  const begun = performance.now();
  const results = await client.callAll({ calls: OUR_CALLS, deadlineMs: DEADLINE_MS });
  const took = performance.now() - begun;
  let right = 0;
  for (const [ticked, predicted] of results.values()) {
    const output = predicted?.output as { value?: unknown } | null;
    if (ticked?.status === "SUCCESS" && output?.value === EXPECTED) right++;
    else throw new Error(`wrong answer: ${JSON.stringify([ticked, predicted])}`);
  }
  if (right !== models) throw new Error(`${right} answers of ${models}`);
  return took;
}

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** All variants at one number of models, each at work while the others rest. */
async function compare(models: number): Promise<object[]> {
  const wanted = (names: string) => [...names].filter((name) => flags.variants.includes(name));
  await using open = new AsyncDisposableStack();
  const variants: Variant[] = [];
  const add = async (variant: Promise<Variant>) => variants.push(open.use(await variant));
  const packages = await publicPackages();
  if (wanted("abc").length > 0 && "missing" in packages) throw new Error(packages.missing);
  const { client, runner } = packages as { client: string; runner: string };
  if (wanted("ab").length > 0) {
    const runners = await startPublicRunners(runner, models, { code: TRIVIAL, packages: [CHALLENGE] });
    for (const each of runners) open.use(each);
    const double = open.use(await startOrchestratorDouble(runners.map(({ port }, i) => ({ id: `m${i}`, port }))));
    if (wanted("a").length > 0) await add(theirClient("a", client, double.port, models));
    if (wanted("b").length > 0) await add(ourClient("b", double.port, models));
  }
  if (wanted("cd").length > 0) {
    const fleet = open.use(await startFleetProcess(models));
    const ours = await ourClient("d", fleet.port, models); // waits until all models run
    if (wanted("c").length > 0)
      await add(theirClient("c", client, fleet.port, models).then((v) => beside(v, fleet.runnerPid)));
    if (wanted("d").length > 0) await add(Promise.resolve(beside(ours, fleet.runnerPid)));
    else await ours[Symbol.asyncDispose]();
  }
  const blocks = new Map<string, Block[]>(variants.map(({ name }) => [name, []]));
  for (const variant of variants) await variant.run(warmRounds(models));
  for (let i = 0; i < BLOCKS; i++) {
    for (const variant of variants) blocks.get(variant.name)!.push(await variant.run(Math.ceil(ROUNDS / BLOCKS)));
  }
  return rowsOf(models, blocks);
}

function rowsOf(models: number, blocks: ReadonlyMap<string, readonly Block[]>): object[] {
  const figures = new Map(
    [...blocks].map(([name, own]) => {
      const ms = own.flatMap((block) => block.ms);
      const perCall = (of: (block: Block) => number | undefined) =>
        own.reduce((sum, block) => sum + (of(block) ?? Number.NaN), 0) / (ms.length * models * OUR_CALLS.length);
      const cpu = perCall((block) => block.cpuMs);
      const runner = perCall((block) => block.runnerMs);
      const hosts = perCall((block) => block.hostsMs);
      return [name, { p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), cpu, runner, hosts, rounds: ms.length }];
    }),
  );
  const a = figures.get("a");
  return [...figures].map(([variant, { p50, p99, cpu, runner, hosts, rounds }]) => ({
    models,
    variant,
    rounds,
    "p50 ms": rounded(p50, 2),
    "p99 ms": rounded(p99, 2),
    "client CPU ms/call": rounded(cpu, 4),
    ...(Number.isFinite(runner) && { "runner CPU": rounded(runner, 4), "hosts CPU": rounded(hosts, 4) }),
    ...(a && {
      "a/x p50": rounded(a.p50 / p50, 2),
      "a/x p99": rounded(a.p99 / p99, 2),
      "CPU x/a": rounded(cpu / a.cpu, 2),
    }),
  }));
}

/** Our client over our runner with many models; delays of both event loops. */
async function largeFleet(models: number, rounds: number): Promise<object> {
  await using fleet = await startFleetProcess(models);
  const begun = performance.now();
  await using variant = await ourClient("d", fleet.port, models);
  const startMs = performance.now() - begun;
  await variant.run(warmRounds(models));
  await fleet.loopDelay(); // begins anew
  const own = monitorEventLoopDelay({ resolution: PROBE_MS });
  own.enable();
  const hosts = treeOf(fleet.runnerPid).slice(1);
  const [cpu, hosted] = [cpuMs([fleet.runnerPid]), cpuMs(hosts)];
  const { ms, cpuMs: clientCpu } = await variant.run(rounds);
  own.disable();
  const [runnerCpu, hostsCpu] = [cpuMs([fleet.runnerPid]) - cpu, cpuMs(hosts) - hosted];
  const theirs = await fleet.loopDelay();
  const calls = ms.length * models * OUR_CALLS.length;
  return {
    models,
    variant: "d",
    rounds: ms.length,
    "p50 ms": rounded(quantile(ms, 0.5), 2),
    "p99 ms": rounded(quantile(ms, 0.99), 2),
    "client CPU ms/call": rounded(clientCpu / calls, 4),
    "runner CPU ms/call": rounded(runnerCpu / calls, 4),
    "hosts CPU ms/call": rounded(hostsCpu / calls, 4),
    [`loop delay p99 ms, client (${PROBE_MS} are the probe)`]: rounded(own.percentile(99) / 1e6, 1),
    [`loop delay p99 ms, runner (${PROBE_MS} are the probe)`]: rounded(theirs.p99, 1),
    "all connected after s": rounded(startMs / 1000, 1),
  };
}

const rows: object[] = [];
for (const models of flags.models.split(",").map(Number).filter(Boolean)) rows.push(...(await compare(models)));
if (rows.length > 0) console.table(rows);
const large = Number(flags.fleet) > 0 ? [await largeFleet(Number(flags.fleet), Number(flags["fleet-rounds"]))] : [];
if (large.length > 0) console.table(large);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify([...rows, ...large], null, 2)}\n`);
process.exit(0);
