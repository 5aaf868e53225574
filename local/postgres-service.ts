import { type Boot, type Found, logFile, portIn, runsWith, startedOrKept } from "./boot.ts";
import { endProcess } from "./end-process.ts";
import {
  checkDatabaseUrl,
  databaseUrl,
  ensureDatabase,
  openCluster,
  type PostgresCluster,
  postgresCommand,
  runningPostmaster,
  servesDataFolder,
  waitForPostgres,
} from "./postgres.ts";
import type { Identity } from "./process-identity.ts";

const END_WITHIN_MS = 5000;

/** PostgreSQL: DATABASE_URL, or an embedded one. Never a server that merely listens on the port. */
export async function findPostgresServer(boot: Boot): Promise<Found<{ url: string }>> {
  const url = boot.settings.config.DATABASE_URL;
  if (!url) return findEmbedded(boot, await openCluster(boot.supervisor.dir));
  await checkDatabaseUrl(url);
  return { earlier: undefined, open: async () => ({ url, text: `DATABASE_URL (${new URL(url).host})` }) };
}

async function isHealthy(cluster: PostgresCluster, postmaster: Identity, port: number): Promise<boolean> {
  if (!runsWith(postmaster, postgresCommand(cluster, port).args)) return false;
  return servesDataFolder(databaseUrl(cluster, port, "postgres"), cluster.dataDir);
}

async function findEmbedded(boot: Boot, cluster: PostgresCluster): Promise<Found<{ url: string }>> {
  const postmaster = runningPostmaster(cluster.dataDir);
  const earlierPort = portIn(postmaster, "-p");
  const earlier =
    postmaster && earlierPort && (await isHealthy(cluster, postmaster, earlierPort)) ? postmaster : undefined;

  async function open() {
    if (postmaster && !earlier) await endProcess(postmaster, Date.now() + END_WITHIN_MS, "SIGINT");
    const { config, isExplicit, env } = boot.settings;
    const setting = "POSTGRES_LOCAL_PORT";
    const wish = { setting, wanted: config[setting], explicit: isExplicit(setting) } as const;
    const port = (earlier && earlierPort) || (await boot.choosePort(wish));
    const spec = {
      name: "postgres",
      ...postgresCommand(cluster, port),
      env: { PATH: env.PATH ?? "" },
      stopSignal: "SIGINT", // fast shutdown; SIGTERM would wait for every client
      log: logFile(boot, "postgres"),
      beforeStart: () => void runningPostmaster(cluster.dataDir), // removes a misleading postmaster.pid
    } as const;
    boot.supervisor.start("database", spec, earlier);
    const admin = databaseUrl(cluster, port, "postgres");
    await waitForPostgres(admin);
    await ensureDatabase(admin);
    return { url: databaseUrl(cluster, port), text: `embedded 18, port ${port}, ${startedOrKept(earlier)}` };
  }
  return { earlier, open };
}
