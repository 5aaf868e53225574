import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import { inject } from "vitest";
import { type CheckpointRunActivities, createCheckpointRunActivities } from "../../../activities/checkpoint-runs.ts";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import { type InProcessChain, openDevChain } from "../../../chain/dev-chain/in-process.ts";
import { splitPool } from "../../../chain/payout/split.ts";
import type { ChainPort, Transfer } from "../../../chain/port.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import { type CheckpointRow, checkpointByEnd } from "../../../db/checkpoints.ts";
import { type Database, migrate, openDatabase } from "../../../db/database.ts";
import { checkpointWorkflowId, taskQueue } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";
import { withClient } from "../../../local/postgres.ts";
import { prepareTemporal } from "../../../local/temporal-setup.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";
import { workflowBundle } from "../../../workers/bundle.ts";
import { NODE, POOL, quiet, submitter } from "./workers.ts";

export { POOL, quiet, startWorkers, submitter, type WorkerOptions } from "./workers.ts";

/** Business ids live as long as the server: every test has a competition of its own. */
export const newCompetition = (): string => `test-${randomBytes(4).toString("hex")}`;
export const INTERVAL_MS = 120_000;
export const PERIOD: Period = { startMs: Date.UTC(2026, 0, 5), endMs: Date.UTC(2026, 0, 5) + INTERVAL_MS };
const SOL = 1_000_000_000n;

export async function testDatabase(): Promise<Store> {
  const { url, drop } = await createTestDatabase(inject("postgresUrl"), async (template) => {
    const db = openDatabase({ url: template, application: "migrate" });
    await migrate(db);
    await db.destroy();
  });
  const db = openDatabase({ url, application: "checkpoint test" });
  return {
    url,
    db,
    close: async () => {
      await db.destroy();
      await drop();
    },
  };
}

export type Store = { url: string; db: Database; close(): Promise<void> };

/** A copy of a database as it is now, as a backup or another node has it. Connections to the original are cut, and come back by themselves. */
export async function copyOf({ url }: { url: string }): Promise<Store> {
  const name = `test_copy_${randomBytes(6).toString("hex")}`;
  const original = new URL(url).pathname.slice(1);
  const admin = inject("postgresUrl");
  const sql = (text: string, values: string[] = []) => withClient(admin, (client) => client.query(text, values));
  await eventually(async () => {
    await sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [original]);
    await sql(`create database ${name} template ${original}`);
  });
  const db = openDatabase({ url: Object.assign(new URL(url), { pathname: `/${name}` }).href, application: "a copy" });
  return {
    url: Object.assign(new URL(url), { pathname: `/${name}` }).href,
    db,
    close: async () => {
      await db.destroy();
      await sql(`drop database if exists ${name} with (force)`);
    },
  };
}

/** A committed window over the whole period with one snapshot per model; model i belongs to cruncher i mod 4 and scores i. */
export async function seedPeriod(
  db: Database,
  period: Period,
  models = 6,
  status: "OPEN" | "COMMITTED" = "COMMITTED",
): Promise<void> {
  const [start, end] = [new Date(period.startMs), new Date(period.endMs)];
  await db.insertInto("scoring_windows").values({ start_at: start, end_at: end, status }).execute();
  for (let i = 0; i < models; i++) {
    const [id, player_id] = [`m${i}`, `c${i % 4}`];
    const model = {
      id,
      name: `model-${i}`,
      deployment_identifier: `d${i}`,
      player_id,
      player_name: `cruncher ${i % 4}`,
    };
    await db
      .insertInto("models")
      .values(model)
      .onConflict((oc) => oc.doNothing())
      .execute();
    await db
      .insertInto("snapshots")
      .values({
        ...{
          id: `SNAP_${id}_${period.endMs}`,
          model_id: id,
          window_end: end,
          period_start: start,
          period_end: end,
          supersedes: null,
        },
        ...{
          prediction_count: 10 + i,
          result_summary_jsonb: JSON.stringify({ value: i }),
          content_hash: `${i}`.padStart(64, "a"),
        },
      })
      .execute();
  }
}

/** A dev chain whose slots take 20 ms, on disk, with a funded submitter. */
export async function fundedChain(slotMs = 20, finalAfterSlots = 8): Promise<InProcessChain & { dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), "almanac-chain-"));
  const chain = await openDevChain({ dir, slotMs, finalAfterSlots });
  chain.ledger.airdrop((await submitter()).address, 50n * SOL);
  return {
    ...chain,
    dir,
    close: async () => {
      await chain.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface Temporal {
  address: string;
  client: Client;
  connection: NativeConnection;
  namespace: string;
  bundle: { codePath: string };
  close(): Promise<void>;
}

let quieted = false;

/** A checkpoint namespace of this test's own on the run's Temporal. */
export async function testTemporal(): Promise<Temporal> {
  if (!quieted) Runtime.install({ logger: new DefaultLogger("ERROR") });
  quieted = true;
  const address = inject("temporalAddress");
  const namespace = `checkpoints-${randomBytes(4).toString("hex")}`;
  const setup = await Connection.connect({ address });
  await eventually(() => prepareTemporal(setup, "almanac", namespace)); // a busy dev server interrupts itself
  await setup.close();
  const connection = await NativeConnection.connect({ address });
  const bundle = await workflowBundle(resolve(".almanac/checkpoint-test-bundle.js"));
  return {
    address,
    connection,
    namespace,
    bundle,
    client: new Client({ connection, namespace }),
    close: () => connection.close(),
  };
}

export const portOf = async (chain: InProcessChain): Promise<ChainPort> =>
  createSolanaChain({ rpcUrl: chain.url, signer: await submitter(), timeoutMs: 2_000 });

export const runsOf = (
  temporal: Pick<Temporal, "client">,
  db: Database,
  competition: string,
  nowMs = PERIOD.endMs,
): CheckpointRunActivities =>
  createCheckpointRunActivities({
    ...{ db, client: temporal.client, competition, taskQueue: taskQueue("checkpoint", NODE), log: quiet },
    clock: { anchorMs: PERIOD.startMs, intervalMs: INTERVAL_MS },
    now: () => nowMs,
  });

export const workflowIdOf = (competition: string): string => checkpointWorkflowId(competition, PERIOD.endMs);

/** Waits until the row says so. */
export async function until(
  db: Database,
  period: Period,
  done: (row: CheckpointRow) => boolean,
  withinMs = 60_000,
): Promise<CheckpointRow> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const row = await checkpointByEnd(db, period.endMs);
    if (row && done(row)) return row;
    if (Date.now() > deadline)
      throw new Error(`the checkpoint stands at ${row?.phase ?? "nothing"}: ${row?.cause ?? "no cause"}`);
    await new Promise((tick) => setTimeout(tick, 100));
  }
}

export const balanceOf = (chain: InProcessChain, of: string): bigint =>
  BigInt(chain.ledger.accountAt(of, chain.ledger.clock.slot())?.[0] ?? "0");

/** What each recipient of the sealed checkpoint has to have got, by the exact split. */
export function expectedOf(row: CheckpointRow, pool = POOL): Transfer[] {
  return splitPool(pool, (row.meta_jsonb as unknown as CheckpointMeta).recipients);
}

/** Transactions that took effect on a marker. */
export const landedOn = (chain: InProcessChain, marker: string): number =>
  chain.ledger.recordsOf(marker).filter((r) => r.err === null).length;

export const otherSigner = (): Promise<KeyPairSigner> =>
  createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(8));

/** Tries until it succeeds. */
export async function eventually<T>(attempt: () => Promise<T>, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((tick) => setTimeout(tick, 200));
  }
}

/** Sends a decision again for as long as the run has not heard of the seal. */
export async function whileBehind<T>(decide: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await decide();
    } catch (error) {
      const { type, message = "" } = ((error as Error).cause ?? {}) as { type?: string; message?: string };
      const behind = type === "NotSealed" || (type === "NotOpen" && message.endsWith("is SEALED"));
      if (!behind || left === 0) throw error;
    }
    await new Promise((tick) => setTimeout(tick, 100));
  }
}

/** As the Temporal UI's reset to the first workflow task does. */
export async function resetToStart({ client, namespace }: Temporal, workflowId: string): Promise<void> {
  const at = { workflowTaskFinishEventId: 4 as never }; // typed as a Long, taken as a number
  await client.workflowService.resetWorkflowExecution({
    ...{ namespace, workflowExecution: { workflowId }, requestId: randomBytes(8).toString("hex"), reason: "a fault" },
    ...at,
  });
}
