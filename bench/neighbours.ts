/**
 * What bad models cost good ones (promise R14: p99 of a good model's answer at most doubles): rounds of tick and predict over good
 * models, in turn alone and while their neighbours hang, fill memory and flood their logs, each in a box. `--sick` takes spin, bomb
 * and fill_disk, too: who spins has its fair share of a core, which good models feel where there are few.
 * `node bench/neighbours.ts [--models 20] [--blocks 4] [--seconds 10] [--sick hang,fill_memory,flood] [--json file]`.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createFleetClient, type FleetClient } from "../models/client/fleet-client.ts";
import { CRUNCH, fixture, quiet } from "../models/fixtures/test-fleet.ts";
import { DEFAULT_LIMITS } from "../models/runner/limits.ts";
import { eventually } from "../tests/interop/waiting.ts";
import { startFleetProcess } from "./fleet-process.ts";

const { values: flags } = parseArgs({
  options: {
    models: { type: "string", default: "20" },
    blocks: { type: "string", default: "4" },
    seconds: { type: "string", default: "10" },
    sick: { type: "string", default: "hang,fill_memory,flood" },
    json: { type: "string" },
  },
});
const MODELS = Number(flags.models);
const BLOCK_MS = Number(flags.seconds) * 1000;
const DEADLINE_MS = 5_000;
const WARM_MS = 5_000;
const START_MS = 120_000;
/** A coordinator's rounds are further apart; more of them in the time make a better p99. */
const PAUSE_MS = 20;
/** Time for those that were ended to come back. */
const RECOVERY_MS = 5_000;
const ZOO = new Set(["hang"]);

const good = Array.from({ length: MODELS }, (_, i) => `m${i}`);
const sick = flags.sick.split(",").filter(Boolean);
const candles = Array.from({ length: 100 }, (_, i) => ({ ts: 1_700_000_000 + i * 60, close: 65_000.12 + i }));
const CALLS = [
  { method: "tick", args: [{ type: "JSON" as const, value: { symbol: "BTC", candles_1m: candles } }] },
  { method: "predict", kwargs: [{ keyword: "subject", type: "STRING" as const, value: "BTC" }] },
];

interface Seen {
  /** ms of each good model's answer to each round, from the request's arrival at the runner */
  readonly answers: number[];
  readonly rounds: number[];
  /** of good models that did not succeed */
  failures: number;
}
const nothing = (): Seen => ({ answers: [], rounds: [], failures: 0 });

async function watch(client: FleetClient, forMs: number, seen: Seen): Promise<void> {
  for (const until = Date.now() + forMs; Date.now() < until; await sleep(PAUSE_MS)) {
    const begun = performance.now();
    const results = await client.callAll({ calls: CALLS, deadlineMs: DEADLINE_MS, models: good });
    seen.rounds.push(performance.now() - begun);
    for (const calls of results.values()) {
      if (calls.some(({ status }) => status !== "SUCCESS")) seen.failures++;
      const last = calls.at(-1)!;
      seen.answers.push(((last.waitUs ?? 0) + last.execTimeUs) / 1000);
    }
  }
}

/** Lets a sick model do its worst until the time is over, again whenever it has been ended; gives how often. */
async function harm(client: FleetClient, name: string, untilMs: number): Promise<number> {
  const args = [{ type: "STRING" as const, value: name }];
  const facts = ZOO.has(name) ? [] : [{ type: "JSON" as const, value: DEFAULT_LIMITS }];
  let times = 0;
  while (untilMs - Date.now() > 500) {
    const calls = [{ method: "predict", args: [...args, ...facts] }];
    const results = await client.callAll({ calls, deadlineMs: untilMs - Date.now(), models: [name] });
    if (results.get(name)?.[0]?.status !== "SKIPPED") times++;
    await sleep(200);
  }
  return times;
}

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
const rowOf = (name: string, { answers, rounds, failures }: Seen) => ({
  neighbours: name,
  rounds: rounds.length,
  failures,
  "answer p50 ms": Number(quantile(answers, 0.5).toFixed(2)),
  "answer p99 ms": Number(quantile(answers, 0.99).toFixed(2)),
  "round p50 ms": Number(quantile(rounds, 0.5).toFixed(2)),
  "round p99 ms": Number(quantile(rounds, 0.99).toFixed(2)),
});

const [alone, beside] = [nothing(), nothing()];
const times = new Map(sick.map((name) => [name, 0]));

async function measure(): Promise<void> {
  await using fleet = await startFleetProcess(
    MODELS,
    sick.map((id) => ({ id, code: fixture(ZOO.has(id) ? "zoo.py" : "probes") })),
  );
  await using client = createFleetClient({
    host: "127.0.0.1",
    port: fleet.port,
    crunchId: CRUNCH,
    baseClassname: "tracker.TrackerBase",
    logger: quiet,
    maxConsecutiveFailures: 0,
    maxConsecutiveTimeouts: 0,
  });
  await client.init();
  await eventually(
    () => client.models().filter(({ state }) => state === "CONNECTED").length,
    (count) => count === MODELS + sick.length,
    START_MS,
  );
  await watch(client, WARM_MS, nothing());
  for (let block = 0; block < Number(flags.blocks); block++) {
    await watch(client, BLOCK_MS, alone);
    const until = Date.now() + BLOCK_MS;
    const all = sick.map(async (name) => times.set(name, times.get(name)! + (await harm(client, name, until))));
    await watch(client, BLOCK_MS, beside);
    await Promise.all(all);
    await sleep(RECOVERY_MS);
  }
}

await measure();
const rows = [rowOf("quiet", alone), rowOf("at their worst", beside)];
console.table(rows);
const ratio = quantile(beside.answers, 0.99) / quantile(alone.answers, 0.99);
console.log(`sick, and how often: ${[...times].map(([name, count]) => `${name} ${count}`).join(", ")}`);
console.log(`p99 of a good model's answer: ${ratio.toFixed(2)} times that of quiet neighbours (R14: at most 2)`);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ rows, ratio }, null, 2)}\n`);
process.exit(0);
