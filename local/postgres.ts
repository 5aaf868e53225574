import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { type Account, dataFolder, findPostgres, type PostgresPrograms } from "./postgres-binaries.ts";
import { type Identity, identify } from "./process-identity.ts";

const MAJOR = "18";
const USER = "almanac";
const DATABASE = "almanac";
const READY_WITHIN_MS = 60_000; // crash recovery may take a while
const POLL_MS = 50;
/** 57P03: the server says that it is starting up or shutting down. */
const NOT_YET = new Set(["57P03", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT"]);

const run = promisify(execFile);

export type PostgresCluster = { programs: PostgresPrograms; dataDir: string; password: string };

const ownedBy = (path: string, account: Account | undefined) => account && chownSync(path, account.uid, account.gid);

/** The superuser's password, made on first use, readable by this user only. */
function passwordIn(dir: string): string {
  const path = join(dir, "postgres-password");
  if (!existsSync(path)) writeFileSync(path, randomBytes(24).toString("base64url"), { mode: 0o600 });
  return readFileSync(path, "utf8").trim();
}

async function initialise({ programs, dataDir, password }: PostgresCluster): Promise<void> {
  const draft = `${dataDir}.new`;
  const passwordFile = `${dataDir}.password`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  ownedBy(draft, programs.account);
  writeFileSync(passwordFile, password, { mode: 0o600 });
  ownedBy(passwordFile, programs.account);
  // A locale provider of PostgreSQL's own: the same order of text on every machine.
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const access = ["--auth=scram-sha-256", `--username=${USER}`, `--pwfile=${passwordFile}`];
  try {
    const args = [`--pgdata=${draft}`, "--data-checksums", ...locale, ...access];
    await run(programs.initdb, args, { ...programs.account, cwd: "/" });
  } catch (cause) {
    throw new Error(`PostgreSQL could not make its data folder ${dataDir}: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, dataDir); // whole or absent: an interrupted initdb leaves only the draft
}

/** Finds or makes the cluster below `dir`. Throws with cause and cure when it was written by another major version. */
export async function openCluster(dir: string): Promise<PostgresCluster> {
  const programs = findPostgres();
  const dataDir = dataFolder(dir, programs.account);
  mkdirSync(dirname(dataDir), { recursive: true });
  const cluster = { programs, dataDir, password: passwordIn(dir) };
  if (!existsSync(join(dataDir, "PG_VERSION"))) await initialise(cluster);
  const version = readFileSync(join(dataDir, "PG_VERSION"), "utf8").trim();
  if (version !== MAJOR)
    throw new Error(
      `${dataDir} was written by PostgreSQL ${version}, this is ${MAJOR}. Move the folder away to start afresh, or dump and load it with version ${version}.`,
    );
  return cluster;
}

export const databaseUrl = (cluster: PostgresCluster, port: number, database = DATABASE) =>
  `postgresql://${USER}:${cluster.password}@127.0.0.1:${port}/${database}`;

/** The command that runs the cluster in the foreground. `durable: false` (tests) survives kill -9 but no power cut. */
export function postgresCommand({ programs, dataDir }: PostgresCluster, port: number, durable = true) {
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "200",
    timezone: "UTC",
    log_timezone: "UTC",
    ...(durable ? {} : { fsync: "off", full_page_writes: "off", synchronous_commit: "off" }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return {
    command: programs.postgres,
    args: ["-D", dataDir, "-p", String(port), ...flags],
    cwd: "/",
    ...programs.account,
  };
}

/**
 * The postmaster that runs on this data folder, if any. A postmaster.pid whose pid now belongs to some other program is
 * removed: PostgreSQL would refuse to start because of it (after a reboot, low pids are often taken).
 */
export function runningPostmaster(dataDir: string): Identity | undefined {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const identity = identify(Number(readFileSync(file, "utf8").split("\n", 1)[0]));
  if (identity?.command.includes(dataDir)) return identity;
  rmSync(file, { force: true });
  return undefined;
}

/** URL of the cluster below `dir` where its server runs; a command finds the node of this machine by it. */
export function runningDatabaseUrl(dir: string): string | undefined {
  if (!existsSync(join(dir, "postgres-password"))) return undefined;
  const programs = findPostgres();
  const dataDir = dataFolder(dir, programs.account);
  if (!runningPostmaster(dataDir)) return undefined;
  const port = Number(readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[PORT_LINE]);
  return databaseUrl({ programs, dataDir, password: passwordIn(dir) }, port);
}
/** of postmaster.pid, from 0 */
const PORT_LINE = 3;

/** Connects, runs, and closes. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    application_name: "almanac-local",
  });
  client.on("error", () => undefined); // the query in flight rejects with the same error; unheard, it would end the process
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Waits until a query is answered; throws with the last reason after `withinMs`, at once on a refusal that waiting cannot cure. */
export async function waitForPostgres(url: string, withinMs = READY_WITHIN_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return void (await withClient(url, (client) => client.query("select 1")));
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      if (Date.now() > deadline || !(NOT_YET.has(code) || /terminated unexpectedly|timeout/.test(message))) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** Makes the database when it is missing. `adminUrl` leads to any other database of the same server. */
export async function ensureDatabase(adminUrl: string, name: string = DATABASE): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  });
}

/** True when the server behind the url runs on this data folder: only then is it ours. */
export async function servesDataFolder(url: string, dataDir: string): Promise<boolean> {
  try {
    const shown = await withClient(url, (client) => client.query<{ data_directory: string }>("show data_directory"));
    return shown.rows[0]?.data_directory === dataDir;
  } catch {
    return false; // not reachable, or not with our password
  }
}

/** Checks the server that DATABASE_URL names. Throws with cause and cure, without the password. */
export async function checkDatabaseUrl(url: string): Promise<void> {
  try {
    await waitForPostgres(url, 3000);
  } catch (cause) {
    const { host, pathname, username } = new URL(url);
    throw new Error(
      `DATABASE_URL: PostgreSQL at ${host}${pathname} does not answer user ${username || "(none)"}: ${(cause as Error).message || (cause as NodeJS.ErrnoException).code}. Start it, correct DATABASE_URL, or unset it to let Almanac run a PostgreSQL of its own.`,
      { cause },
    );
  }
}
