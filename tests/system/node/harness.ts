import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { inject, onTestFailed } from "vitest";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import { freePort } from "../../../local/ports.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";
import { type Behaviour, writeModels } from "./models.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

export interface TestNodeOptions {
  models: Record<string, Behaviour>;
  /** settings over the test's own */
  env?: Record<string, string>;
  temporalAddress?: string;
  databaseUrl?: string;
  /** role groups to start, in this order */
  groups?: readonly string[];
}

/** A node of real role processes on a database of its own; the run's Temporal is shared, the crunch id is not. */
export interface TestNode extends AsyncDisposable {
  crunchId: string;
  env: Record<string, string>;
  db: Database;
  temporal: Client;
  /** the namespace of checkpoints */
  checkpoints: Client;
  folder: string;
  start(group: string, env?: Record<string, string>): Promise<void>;
  /** SIGKILL, without a word */
  kill(group: string): Promise<void>;
  /** SIGTERM; resolves with the exit code */
  term(group: string): Promise<number | null>;
  pidOf(group: string): number;
  log(group: string): string[];
}

async function testDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return createTestDatabase(inject("postgresUrl"), async (url) => {
    const db = openDatabase({ url, application: "template" });
    await migrate(db);
    await db.destroy();
  });
}

let nodes = 0;

export async function startNode(options: TestNodeOptions): Promise<TestNode> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-node-"));
  const crunchId = `t${process.pid}-${nodes++}`;
  const database = options.databaseUrl
    ? { url: options.databaseUrl, drop: async () => undefined }
    : await testDatabase();
  const orchestratorPort = String(await freePort());
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? "",
    ALMANAC_DIR: join(folder, "state"),
    CRUNCH_ID: crunchId,
    NETWORK: "LOCAL",
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: options.temporalAddress ?? inject("temporalAddress"),
    COMPETITION: join(import.meta.dirname, "competitions/quick/competition.ts"),
    MODELS_FILE: writeModels(join(folder, "models"), crunchId, options.models),
    FEED_SOURCE: "replay",
    FEED_SUBJECTS: "SP500",
    FEED_KIND: "candle",
    FEED_GRANULARITY: "200ms",
    FEED_BACKFILL_MINUTES: "1",
    FEED_CANDLES_WINDOW: "20",
    MODEL_RUNNER_NODE_HOST: "127.0.0.1",
    MODEL_RUNNER_NODE_PORT: orchestratorPort,
    ORCHESTRATOR_PORT: orchestratorPort,
    ORCHESTRATOR_GRPC_PORT: "0",
    ORCHESTRATOR_HTTP_PORT: "0",
    MODEL_MAX_RESTARTS_PER_HOUR: "0", // faults are the tests' business here
    RUNNER_PORT: "0",
    MODEL_RUNNER_TIMEOUT_SECONDS: "0.8",
    SCORE_INTERVAL_SECONDS: "2",
    CHECKPOINT_INTERVAL_SECONDS: "10",
    METRICS_PORT: "0",
    REPORT_API_PORT: "0",
    REPORT_UI_PORT: "0",
    ...options.env,
  };
  const running = new Map<string, ChildProcess>();
  const logs = new Map<string, string[]>();
  mkdirSync(join(folder, "logs"));
  const connection = await Connection.connect({ address: env.TEMPORAL_ADDRESS! });
  const db = openDatabase({ url: database.url, application: "test", onError: () => undefined });

  onTestFailed(() => {
    for (const [group, lines] of logs) console.log(`--- last lines of ${group}\n${lines.slice(-25).join("\n")}`);
  });
  const node: TestNode = {
    crunchId,
    env,
    db,
    folder,
    temporal: new Client({ connection, namespace: env.TEMPORAL_NAMESPACE ?? "almanac" }),
    checkpoints: new Client({ connection, namespace: "almanac-checkpoints" }),
    pidOf: (group) => running.get(group)!.pid!,
    log: (group) => logs.get(group) ?? [],
    start: async (group, extra = {}) => {
      const child = spawn(process.execPath, [join(ROOT, "workers/main.ts"), group], {
        cwd: ROOT,
        env: { ...env, ...extra },
        stdio: ["ignore", "pipe", "pipe"],
      });
      running.set(group, child);
      const lines = logs.get(group) ?? [];
      logs.set(group, lines);
      const file = createWriteStream(join(folder, "logs", `${group.replaceAll(",", "-")}.log`), { flags: "a" });
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.pipe(file, { end: false });
        stream.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
      }
      const from = lines.length;
      await until(`${group} is ready`, 60_000, async () => {
        if (child.exitCode !== null)
          throw new Error(`${group} ended with ${child.exitCode}:\n${lines.slice(-15).join("\n")}`);
        return lines.slice(from).some((line) => line.includes('"msg":"ready"'));
      });
    },
    kill: (group) => endOf(running, group, "SIGKILL").then(() => undefined),
    term: (group) => endOf(running, group, "SIGTERM"),
    [Symbol.asyncDispose]: async () => {
      for (const group of [...running.keys()].reverse()) await endOf(running, group, "SIGTERM");
      await connection.close();
      await db.destroy();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    for (const group of options.groups ?? ["orchestrator", "score", "feed,predict"]) await node.start(group);
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
  return node;
}

/** Asks the process to end; one that does not within ten seconds is killed. */
async function endOf(
  running: Map<string, ChildProcess>,
  group: string,
  signal: NodeJS.Signals,
): Promise<number | null> {
  const child = running.get(group);
  running.delete(group);
  if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  child.kill(signal);
  const killer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(killer);
  return child.exitCode;
}

/** Waits until `holds`; throws naming what did not come true. */
export async function until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(100);
  }
}
