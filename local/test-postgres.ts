import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endProcess, killAll } from "./end-process.ts";
import { freePort } from "./ports.ts";
import { databaseUrl, openCluster, postgresCommand, waitForPostgres, withClient } from "./postgres.ts";
import { type Identity, identify } from "./process-identity.ts";

/** A PostgreSQL for one test run, in a temporary folder. */
export type TestPostgres = { adminUrl: string; dataDir: string; identity: Identity; stop(): Promise<void> };

export async function startTestPostgres(): Promise<TestPostgres> {
  const dir = mkdtempSync(join(tmpdir(), "almanac-postgres-"));
  chmodSync(dir, 0o755); // run as root, the server has an account of its own that must come through
  const cluster = await openCluster(dir);
  const port = await freePort();
  const { command, args, ...options } = postgresCommand(cluster, port, false);
  const child = spawn(command, args, { ...options, stdio: "ignore" });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (!identity) throw new Error(`PostgreSQL did not start: ${command}`);
  const adminUrl = databaseUrl(cluster, port, "postgres");
  const stop = async () => {
    await endProcess(identity, Date.now() + 5000, "SIGINT");
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await waitForPostgres(adminUrl);
  } catch (error) {
    await killAll([identity]);
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return { adminUrl, dataDir: cluster.dataDir, identity, stop };
}

export type TestDatabase = { url: string; drop(): Promise<void> };

const at = (adminUrl: string, database: string) => Object.assign(new URL(adminUrl), { pathname: `/${database}` }).href;

/**
 * A fresh database, cloned from a template that `migrate` fills once per server (per `template` name).
 * Safe to call from several test processes at once.
 */
export async function createTestDatabase(
  adminUrl: string,
  migrate: (url: string) => Promise<void>,
  template = "almanac_template",
): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  await withClient(adminUrl, async (client) => {
    const quoted = client.escapeIdentifier(template);
    await client.query("select pg_advisory_lock(hashtext($1))", [template]);
    const { rows } = await client.query<{ datistemplate: boolean }>(
      "select datistemplate from pg_database where datname = $1",
      [template],
    );
    if (!rows[0]?.datistemplate) {
      await client.query(`drop database if exists ${quoted} with (force)`); // half migrated by a run that died
      await client.query(`create database ${quoted}`);
      await migrate(at(adminUrl, template));
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [template]);
      await client.query(`alter database ${quoted} is_template true`);
    }
    await client.query(`create database ${client.escapeIdentifier(name)} template ${quoted}`);
  });
  const drop = () =>
    withClient(
      adminUrl,
      async (client) =>
        void (await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`)),
    );
  return { url: at(adminUrl, name), drop };
}
