import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import { databaseUrl, ensureDatabase, openCluster, postgresCommand, waitForPostgres } from "../../../local/postgres.ts";
import { temporalArgs, waitForTemporal } from "../../../local/temporal.ts";
import { findTemporal } from "../../../local/temporal-binary.ts";

/** A server of one test's own that can be killed -9 and started again on the same files and port. */
export interface FragileServer extends AsyncDisposable {
  /** address or url */
  at: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

const RESTART_MS = 200;

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((done) => child.once("exit", () => done()));

async function fragile(
  at: string,
  folder: string,
  run: () => ChildProcess,
  ready: () => Promise<void>,
): Promise<FragileServer> {
  let child: ChildProcess | undefined;
  const server: FragileServer = {
    at,
    /** One that ends at once is run again, as a supervisor would: children of the killed one may hold its files for a moment. */
    start: async () => {
      let waiting = true;
      const attend = (): void => {
        if (!waiting) return;
        child = run().once("exit", () => setTimeout(attend, RESTART_MS));
      };
      attend();
      await ready().finally(() => {
        waiting = false;
      });
    },
    kill: async () => {
      if (!child) return;
      child.kill("SIGKILL");
      await ended(child);
      child = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** `plain`: `temporal server start-dev` as a user types it, without a flag that tunes or prepares anything. */
export async function fragileTemporal({ plain = false } = {}): Promise<FragileServer & { forget(): void }> {
  const dir = mkdtempSync(join(tmpdir(), "almanac-fragile-temporal-"));
  const binary = await findTemporal(environment(), () => undefined);
  const port = await freePort();
  const args = plain
    ? ["server", "start-dev", "--port", String(port), "--headless"]
    : temporalArgs({ dir, port, uiPort: await freePort(), namespaces: [] });
  const at = `127.0.0.1:${port}`;
  const server = await fragile(
    at,
    dir,
    () => spawn(binary, args, { stdio: "ignore" }),
    () => waitForTemporal(at),
  );
  /** while it is dead: deletes its database */
  const forget = () => {
    for (const file of readdirSync(dir)) rmSync(join(dir, file));
  };
  return Object.assign(server, { forget });
}

export async function fragilePostgres(): Promise<FragileServer> {
  const dir = mkdtempSync(join(tmpdir(), "almanac-fragile-postgres-"));
  chmodSync(dir, 0o755);
  const cluster = await openCluster(dir);
  const port = await freePort();
  const { command, args, ...options } = postgresCommand(cluster, port, true);
  const admin = databaseUrl(cluster, port, "postgres");
  const server = await fragile(
    databaseUrl(cluster, port),
    dir,
    () => spawn(command, args, { ...options, stdio: "ignore" }),
    () => waitForPostgres(admin),
  );
  await ensureDatabase(admin);
  return server;
}
