import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { example, fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { CODE } from "../protocol/answer-code.ts";
import { encodeVariant } from "../protocol/variant.ts";
import { type Box, findBox, inForce, modelUid } from "./box.ts";
import type { HostCall } from "./frames.ts";
import { submissionLaunch } from "./host-program.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { createModelHost, type ModelHost } from "./model-host.ts";
import { findInterpreters } from "./python.ts";
import { createWatchdog } from "./resource-watch.ts";
import { createStaging, type Staging } from "./staging.ts";

const GOOD = ["good-1", "good-2", "good-3"];
/** What a neighbour does, and how its call ends. */
const SICK: Record<string, { code: number; why: RegExp }> = {
  bomb: { code: CODE.TIMEOUT, why: /did not answer in time/ },
  fill_memory: { code: CODE.DIED, why: /used more than 1024 MiB of memory/ },
  fill_disk: { code: CODE.TIMEOUT, why: /did not answer in time/ },
  flood: { code: CODE.TIMEOUT, why: /did not answer in time/ },
  spin: { code: CODE.TIMEOUT, why: /did not answer in time/ },
};
const ROUNDS = 20;
const REST_MS = 10;
const SICK_MS = 8_000;
/** Filling memory beside the others takes its time. */
const FILL_MS = 50_000;
const GOOD_MS = 20_000;
const FIRST_SLOT = 80;

let state: string;
let staging: Staging;
let best: Box;
beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), "almanac-neighbours-"));
  chmodSync(state, 0o755);
  staging = await createStaging(state);
  const nothing = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
  best = await findBox("auto", await findInterpreters("python3"), nothing);
});
afterAll(async () => {
  await staging.remove();
  rmSync(state, { recursive: true, force: true });
});

async function withHosts(box: Box, use: (hosts: Map<string, ModelHost>) => Promise<void>): Promise<void> {
  const hosts = new Map<string, ModelHost>();
  try {
    for (const [i, name] of [...GOOD, ...Object.keys(SICK)].entries()) {
      const slot = FIRST_SLOT + i;
      const code = name in SICK ? fixture("probes") : example("momentum.py");
      const folders = await staging.stage(name, { code, packages: [example("..")] }, modelUid(slot));
      const launch = () => submissionLaunch("python", box, slot, folders);
      hosts.set(name, createModelHost({ launch, logger: quiet, onChange: () => undefined }));
    }
    for (const [name, host] of hosts) await ready(name, host);
    await use(hosts);
  } finally {
    await Promise.all([...hosts.values()].map((host) => host.stop()));
  }
}

async function ready(name: string, host: ModelHost): Promise<void> {
  await until(
    () => host.state(),
    (now) => now === "READY",
    60_000,
  );
  const [answer] = await host.run("SETUP", [{ name: "tracker.TrackerBase", args: [], kwargs: [] }], 60_000);
  expect(answer?.code, `${name}: ${answer?.value}`).toBe(CODE.OK);
}

const tick: HostCall = {
  name: "tick",
  args: [encodeVariant("JSON", { symbol: "BTC", asof_ts: 1, candles_1m: [] })],
  kwargs: [],
};
const predict: HostCall = {
  name: "predict",
  args: [],
  kwargs: [
    { keyword: "subject", data: encodeVariant("STRING", "BTC") },
    { keyword: "resolve_horizon_seconds", data: encodeVariant("INT", 60) },
    { keyword: "step_seconds", data: encodeVariant("INT", 15) },
  ],
};

/** Rounds over the good models, a short rest after each; the time of each in ms. */
async function rounds(hosts: Map<string, ModelHost>): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now();
    const answers = await Promise.all(GOOD.map((name) => hosts.get(name)!.run("BATCH", [tick, predict], GOOD_MS)));
    took.push(performance.now() - before);
    await sleep(REST_MS);
    for (const [i, both] of answers.entries())
      expect(
        both.map(({ code }) => code),
        `${GOOD[i]}: ${both[1]?.value}`,
      ).toEqual([CODE.OK, CODE.OK]);
  }
  return took;
}
const shown = (took: readonly number[]): string => {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]?.toFixed(1);
  return `p50 ${at(0.5)}, p99 ${at(0.99)} ms of ${sorted.length}`;
};

test.for(["best", "watchdog"] as const)(
  "good models answer every round while their neighbours do their worst, bounded by the %s",
  async (by, { skip }) => {
    const why = `hostile models run in a box or not at all: ${best.tried.join("; ")}`;
    if (process.env.CI) expect(best.level, why).not.toBe("none");
    else if (best.level === "none") skip(why);
    const box = by === "best" ? best : { ...best, watch: createWatchdog(DEFAULT_LIMITS) };
    await withHosts(box, async (hosts) => {
      const quietTimes = await rounds(hosts);
      const facts = encodeVariant("JSON", DEFAULT_LIMITS);
      const harm = (name: string): HostCall => ({
        name: "predict",
        args: [encodeVariant("STRING", name), facts],
        kwargs: [],
      });
      let over = false;
      const worst = Object.keys(SICK).map((name) =>
        hosts.get(name)!.run("BATCH", [harm(name)], name === "fill_memory" ? FILL_MS : SICK_MS),
      );
      const all = Promise.all(worst).finally(() => {
        over = true;
      });
      const troubled: number[] = [];
      while (!over) troubled.push(...(await rounds(hosts)));
      const { level, memory, cpu } = inForce(box);
      console.log(
        `neighbours (${level}, memory ${memory}, cpu ${cpu}): quiet ${shown(quietTimes)}; troubled ${shown(troubled)}`,
      );
      const ends = (await all).map((answers) => answers[0]!);
      for (const [i, [name, { code, why }]] of Object.entries(SICK).entries()) {
        expect(String(ends[i]?.value), name).toMatch(why);
        expect(ends[i]?.code, name).toBe(code);
      }
      for (const name of GOOD) expect(hosts.get(name)!.incarnation(), `${name} was started again`).toBe(1);
    });
  },
);
