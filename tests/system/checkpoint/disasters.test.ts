import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { transitionsOf } from "../../../db/checkpoints.ts";
import { migrate, openDatabase } from "../../../db/database.ts";
import { UPDATE } from "../../../domain/ids.ts";
import { ensureDatabase } from "../../../local/postgres.ts";
import { prepareTemporal } from "../../../local/temporal-setup.ts";
import { fragilePostgres, fragileTemporal } from "../node/servers.ts";
import { startWorker } from "./landed.ts";
import { cells, expectPaidOnce, id, startChain, WITHIN_MS } from "./one-checkpoint.ts";
import { endAll } from "./processes.ts";
import * as w from "./world.ts";

// What happens to the servers of a node in the middle of a checkpoint: it ends PAID, and once.
const TEST_MS = 300_000;
const NAMESPACE = "almanac-checkpoints";
/** Two kills of both servers each; the long form (DURABLE_KILLS=100) makes 200. */
const ROUNDS = Array.from({ length: Number(process.env.DURABLE_KILLS ?? 1) }, (_, i) => i + 1);
type Killed = "PostgreSQL" | "PostgreSQL and Temporal";
const KILLS = [["PostgreSQL", 0] as const, ...ROUNDS.map((i) => ["PostgreSQL and Temporal", i] as const)];

afterEach(endAll);

/** Servers of this file's own, which may die. */
async function fragileServers() {
  const [postgres, server] = await Promise.all([fragilePostgres(), fragileTemporal()]);
  const { bundle, close } = await w.testTemporal();
  await close();
  const clients: Connection[] = [];
  const connect = async () => {
    const connection = await Connection.connect({ address: server.at });
    clients.push(connection);
    return connection;
  };
  const prepare = async () => prepareTemporal(await connect(), "almanac", NAMESPACE);
  await prepare();
  return {
    ...{ server, prepare },
    temporal: { address: server.at, namespace: NAMESPACE, bundle },
    /** a period that waits for its checkpoint, in a database of its own */
    async database() {
      const name = `disaster_${randomBytes(4).toString("hex")}`;
      await ensureDatabase(postgres.at, name);
      const url = Object.assign(new URL(postgres.at), { pathname: `/${name}` }).href;
      const db = openDatabase({ url, application: "disasters" });
      await migrate(db);
      await w.seedPeriod(db, w.PERIOD);
      return { url, db };
    },
    /** what the node does every two minutes, and at its start */
    async reconcile({ db }: Pick<w.Store, "db">, competition: string): Promise<Client> {
      const client = new Client({ connection: await connect(), namespace: NAMESPACE });
      await w.runsOf({ client }, db, competition).ensureCheckpoints();
      return client;
    },
    /** killed at once, and started anew */
    async restart(who: Killed) {
      const dying = who === "PostgreSQL" ? [postgres] : [postgres, server];
      await Promise.all(dying.map((one) => one.kill()));
      await Promise.all(dying.map((one) => one.start()));
    },
    async close() {
      await endAll();
      for (const connection of clients) await connection.close().catch(() => undefined);
      await Promise.all([postgres[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
    },
  };
}

let node: Awaited<ReturnType<typeof fragileServers>>;
beforeAll(async () => {
  node = await fragileServers();
});
afterAll(() => node.close());

test(
  "Temporal's database is deleted after the transaction was sent: reconcile finishes the checkpoint",
  async () => {
    const chain = await startChain();
    const store = await node.database();
    await node.reconcile(store, "deleted");
    const worker = startWorker(store, node.temporal, cells(chain, "sent, not acknowledged"));
    await worker.said(`at ${id}`, WITHIN_MS);
    await node.server.kill();
    node.server.forget();
    await node.server.start();
    await node.prepare();
    await worker.kill();
    startWorker(store, node.temporal, cells(chain, "none"));
    await node.reconcile(store, "deleted");
    await expectPaidOnce(chain, store);
    await store.db.destroy();
  },
  TEST_MS,
);

test.each(KILLS)(
  "%s killed right after an approval was answered, and after SUBMITTED was read: nothing is lost (R17, %i)",
  async (who, round) => {
    const competition = `killed-${round}`;
    const chain = await startChain();
    const store = await node.database();
    startWorker(store, node.temporal, cells(chain, "none"), { approvesItself: false });
    const client = await node.reconcile(store, competition);
    await w.until(store.db, w.PERIOD, (row) => row.phase === "AWAITING_APPROVAL", WITHIN_MS);
    const handle = client.workflow.getHandle(w.workflowIdOf(competition));
    const asked: [object] = [{ actor: "operator", reason: "looks right", key: "once" }];
    const answer = await w.whileBehind(() => handle.executeUpdate(UPDATE.approve, { args: asked }));
    await sleep(Math.random() * 50);
    await node.restart(who);
    expect(answer).toMatchObject({ phase: "PLANNED" });
    const approved = (await transitionsOf(store.db, id)).filter((step) => step.to_phase === "PLANNED");
    expect(approved).toMatchObject([{ actor: "operator", cause: "looks right", chain_attempt: 1 }]);

    const submitted = await w.until(store.db, w.PERIOD, (row) => row.status !== "PENDING", WITHIN_MS);
    await sleep(Math.random() * 50);
    await node.restart(who);
    const after = await w.until(store.db, w.PERIOD, () => true);
    expect(after.status).not.toBe("PENDING");
    expect(after.tx_hash).toBe(submitted.tx_hash);
    await expectPaidOnce(chain, store);
    await store.db.destroy();
  },
  TEST_MS,
);
