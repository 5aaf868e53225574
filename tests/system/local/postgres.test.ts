import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, inject, onTestFinished, test, vi } from "vitest";
import { environment } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import {
  checkDatabaseUrl,
  databaseUrl,
  openCluster,
  postgresCommand,
  runningPostmaster,
  servesDataFolder,
  waitForPostgres,
  withClient,
} from "../../../local/postgres.ts";
import { isAlive } from "../../../local/process-identity.ts";
import { createSupervisor } from "../../../local/supervisor.ts";
import { createTestDatabase } from "../../../local/test-postgres.ts";

async function embedded(parentMode = 0o755) {
  const dir = mkdtempSync(join(tmpdir(), "almanac-pg-test-"));
  chmodSync(dir, parentMode);
  const supervisor = createSupervisor(dir, () => undefined);
  const cluster = await openCluster(dir);
  const port = await freePort();
  const log = { file: join(dir, "postgres.log") };
  const beforeStart = () => void runningPostmaster(cluster.dataDir);
  supervisor.start("database", {
    name: "postgres",
    ...postgresCommand(cluster, port),
    env: { PATH: environment().PATH ?? "" },
    stopSignal: "SIGINT",
    log,
    beforeStart,
  });
  const url = databaseUrl(cluster, port, "postgres");
  onTestFinished(async () => {
    await supervisor.stop();
    rmSync(dirname(cluster.dataDir), { recursive: true, force: true }); // elsewhere than `dir` for a 0700 folder as root
    rmSync(dir, { recursive: true, force: true });
  });
  await waitForPostgres(url);
  return { dir, cluster, port, url, supervisor };
}

test("starts on loopback with checksums, and a password that only this user can read", async () => {
  const { dir, cluster, url } = await embedded();
  const settings = await withClient(url, (client) =>
    client.query(
      "select current_setting('listen_addresses') as listens, current_setting('data_checksums') as checksums, current_setting('server_encoding') as encoding",
    ),
  );
  expect(settings.rows).toEqual([{ listens: "127.0.0.1", checksums: "on", encoding: "UTF8" }]);
  expect(statSync(join(dir, "postgres-password")).mode & 0o777).toBe(0o600);
  expect(await servesDataFolder(url, cluster.dataDir)).toBe(true);
  expect(await servesDataFolder(inject("postgresUrl"), cluster.dataDir)).toBe(false);
  const wrong = url.replace(cluster.password, "wrong");
  await expect(waitForPostgres(wrong, 1000)).rejects.toThrow(/password authentication failed/);
});

test("after kill -9 it is started again with what was committed", async () => {
  const { url, supervisor } = await embedded();
  await withClient(url, (client) => client.query("create table kept as select 7 as x"));
  const postmaster = supervisor.current().get("postgres")!;
  process.kill(postmaster.pid, "SIGKILL");
  await vi.waitFor(() => expect(isAlive(postmaster)).toBe(false), { timeout: 5000 });
  await vi.waitFor(() => expect(supervisor.current().get("postgres")?.pid ?? postmaster.pid).not.toBe(postmaster.pid), {
    timeout: 20_000,
  });
  await waitForPostgres(url);
  const { rows } = await withClient(url, (client) => client.query("select x from kept"));
  expect(rows).toEqual([{ x: 7 }]);
});

test("a postmaster.pid that now names some other program does not prevent the start", async () => {
  const { cluster } = await embedded();
  expect(runningPostmaster(cluster.dataDir)?.command).toContain(cluster.dataDir);
  const stale = mkdtempSync(join(tmpdir(), "almanac-pg-stale-"));
  writeFileSync(join(stale, "postmaster.pid"), `${process.pid}\n${stale}\n`);
  expect(runningPostmaster(stale)).toBeUndefined();
  expect(existsSync(join(stale, "postmaster.pid"))).toBe(false);
  rmSync(stale, { recursive: true });
});

test("works below a folder that only this user may enter", async () => {
  const { url } = await embedded(0o700);
  const { rows } = await withClient(url, (client) => client.query("select 1 as one"));
  expect(rows).toEqual([{ one: 1 }]);
});

test("a DATABASE_URL that does not answer gets a message without the password", async () => {
  const url = `postgresql://someone:secret@127.0.0.1:${await freePort()}/db`;
  const error = await checkDatabaseUrl(url).catch((e: Error) => e);
  expect((error as Error).message).toMatch(
    /DATABASE_URL: PostgreSQL at 127.0.0.1:\d+\/db does not answer user someone: .*(unset it|correct)/,
  );
  expect((error as Error).message).not.toContain("secret");
});

test("test databases are clones of one template, migrated once, and do not see each other", async () => {
  const migrate = vi.fn((url: string) =>
    withClient(url, async (client) => void (await client.query("create table t (x int)"))),
  );
  const template = `template_${process.pid}_${Date.now()}`;
  const [a, b] = await Promise.all([
    createTestDatabase(inject("postgresUrl"), migrate, template),
    createTestDatabase(inject("postgresUrl"), migrate, template),
  ]);
  expect(migrate).toHaveBeenCalledTimes(1);
  await withClient(a.url, (client) => client.query("insert into t values (1)"));
  const { rows } = await withClient(b.url, (client) => client.query("select count(*)::int as n from t"));
  expect(rows).toEqual([{ n: 0 }]);
  await Promise.all([a.drop(), b.drop()]);
});
