/**
 * A week's checkpoint on a real PostgreSQL: 500 models and 1,000,000 predictions are scored and counted by the node's own activities, then sealed, put
 * into an evidence bundle and verified offline by `almanac verify`, each step in a process of its own.
 * `node bench/checkpoint.ts [--models 500] [--predictions 1000000] [--windows 168]`; compare figures of one run only. Seeding takes some minutes.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { sql } from "kysely";
import { loadCompetition } from "../competitions/load.ts";
import { migrate, openDatabase } from "../db/database.ts";
import { bundleName, checkpointId } from "../domain/ids.ts";
import type { Period } from "../domain/period.ts";
import { evidenceWorld, seedRounds } from "../tests/evidence/world.ts";
import { fragilePostgres } from "../tests/system/node/servers.ts";
import { serverCpu } from "./server-cpu.ts";

const WEEK: Period = { startMs: Date.UTC(2026, 0, 5), endMs: Date.UTC(2026, 0, 12) };
const COMPETITION = resolve("competitions/realtime/competition.ts");
const AT_ONCE = 8;
/** As the roles of a node run: local/program.ts. */
const SMALL_HEAP = "--max-semi-space-size=2";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "500" },
    predictions: { type: "string", default: "1000000" },
    windows: { type: "string", default: "168" },
    /** a measured step, in a process of its own */
    step: { type: "string" },
    url: { type: "string" },
    folder: { type: "string" },
  },
});

if (values.step) await measuredStep(values.step, values.url!, values.folder!);
else await bench();

async function bench(): Promise<void> {
  const [models, windows] = [Number(values.models), Number(values.windows)];
  const count = Math.ceil(Number(values.predictions) / models);
  await using postgres = await fragilePostgres();
  const folder = await mkdtemp(join(tmpdir(), "almanac-bench-"));
  const db = openDatabase({ url: postgres.at, application: "bench", statementTimeoutMs: 3_600_000 });
  try {
    await migrate(db);
    const loaded = await loadCompetition(COMPETITION, ["BTC"]);
    const began = performance.now();
    const everyMs = Math.floor((WEEK.endMs - WEEK.startMs - 60_000) / count / 1_000) * 1_000;
    const rounds = await seedRounds(db, loaded, { models, count, fromMs: WEEK.startMs, everyMs });
    const world = evidenceWorld(db, loaded, folder);
    const queue = rounds.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const id of queue) await world.score(id);
      }),
    );
    const windowMs = (WEEK.endMs - WEEK.startMs) / windows;
    for (let w = 0; w < windows; w++)
      await world.window({ startMs: WEEK.startMs + w * windowMs, endMs: WEEK.startMs + (w + 1) * windowMs });
    await sql`vacuum analyze`.execute(db);
    console.log(
      `${models} models, ${rounds.length * models} predictions, ${windows} windows: seeded in ${seconds(began)} s`,
    );
    const table: object[] = [];
    for (const step of ["seal", "bundle", "verify"]) {
      const server = await serverCpu(db);
      const args = [SMALL_HEAP, import.meta.filename, "--step", step, "--url", postgres.at, "--folder", folder];
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 26 });
      const found = JSON.parse(stdout.trim().split("\n").at(-1)!) as object;
      table.push({ step, ...found, "postgres cpu s": ((await serverCpu(db)) - server).toFixed(1) });
    }
    console.table(table);
    const { size } = await stat(join(folder, bundleName(checkpointId(WEEK.endMs))));
    console.log(`bundle: ${(size / 1e6).toFixed(1)} MB`);
  } finally {
    await db.destroy();
    await rm(folder, { recursive: true });
  }
}

async function measuredStep(step: string, url: string, folder: string): Promise<void> {
  const db = openDatabase({ url, application: `bench ${step}` });
  const world = evidenceWorld(db, await loadCompetition(COMPETITION, ["BTC"]), folder);
  const id = checkpointId(WEEK.endMs);
  const began = performance.now();
  const cpu = process.cpuUsage();
  if (step === "seal") {
    await world.seal(WEEK);
    await world.sign(id);
  } else if (step === "bundle") await world.bundle(id);
  else {
    const { verifyCommand } = await import("../cli/verify.ts");
    const flags = { checkpoint: "latest", offline: true, json: true, state: join(folder, "heads.json") };
    await verifyCommand(join(folder, bundleName(id)), flags);
    if (process.exitCode) throw new Error(`verify ends with ${process.exitCode}`);
  }
  const { user, system } = process.cpuUsage(cpu);
  const found = {
    seconds: seconds(began),
    "own cpu s": ((user + system) / 1e6).toFixed(1),
    "peak rss MB": Math.round(process.resourceUsage().maxRSS / 1_000),
  };
  console.log(JSON.stringify(found));
  await db.destroy();
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
