import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { type Logger, pino } from "pino";
import { loadCompetition } from "../competitions/load.ts";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { type Database, migrate, openDatabase } from "../db/database.ts";
import { listenToFeed } from "../db/feed-listener.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Role, RoleContext } from "./context.ts";
import { serveHealth } from "./health.ts";
import { bridgeTemporalLog, connectTemporal } from "./temporal.ts";

export const ROLES = ["feed", "predict", "score", "checkpoint", "report", "orchestrator"] as const;
type RoleName = (typeof ROLES)[number];

const RETRY_MS = 1_000;
/** A role that does not drain by then is ended; under `npm start` the supervisor is quicker. */
const DRAIN_LIMIT_MS = 28_000;
const EXIT_CONFIG = 3;

export function parseRoles(text: string | undefined): RoleName[] {
  const names = (text ?? "").split(",").filter(Boolean);
  const wrong = names.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (names.length === 0 || wrong.length > 0)
    throw new ConfigError([`roles "${text ?? ""}": name one or more of ${ROLES.join(", ")}, comma separated`]);
  return names as RoleName[];
}

/** Opens what the roles need, runs them until SIGTERM or SIGINT, and closes in reverse. */
async function main(): Promise<void> {
  const names = parseRoles(process.argv[2]);
  const config = readConfig();
  const log = pino({ level: config.LOG_LEVEL, base: { role: names.join("+") } });
  const stopped = stopSignal();
  await using open = new AsyncDisposableStack();
  const roles = await Promise.race([startRoles(names, config, log, open), stopped.then(() => [])]);
  open.use(await serveRoles(roles, config, log));
  if (roles.length > 0) log.info({ roles: names }, "ready");
  await Promise.race([stopped, ...roles.map((role) => role.run())]);
  log.info("draining");
  setTimeout(() => process.exit(1), DRAIN_LIMIT_MS).unref();
  for (const role of roles.toReversed()) await role.drain();
}

/** /metrics, livez and readyz of this process. */
async function serveRoles(roles: readonly Role[], config: Config, log: Logger): Promise<AsyncDisposable> {
  const check = (role: Role) => async () => (await role.missing()).join("; ") || null;
  const checks = Object.fromEntries(roles.map((role) => [role.name, check(role)]));
  const health = await serveHealth({ host: config.API_HOST, port: config.METRICS_PORT, checks, log });
  return { [Symbol.asyncDispose]: () => health.close() };
}

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });

async function startRoles(names: RoleName[], config: Config, log: Logger, open: AsyncDisposableStack): Promise<Role[]> {
  if (names.every((name) => name === "orchestrator"))
    return [await (await import("./orchestrator.ts")).startOrchestratorRole(config, log)];
  bridgeTemporalLog(log);
  const competition = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS);
  const db = await connectDatabase(config, log, names.join("+"));
  open.defer(() => db.destroy());
  const temporal = await connectTemporal(config, log);
  open.use(temporal);
  const context: RoleContext = { config, log, db, competition, temporal };
  const roles: Role[] = [];
  for (const role of await startNamed(names, context, open)) roles.push(role);
  return roles;
}

async function startNamed(names: RoleName[], context: RoleContext, open: AsyncDisposableStack): Promise<Role[]> {
  const roles: Role[] = [];
  let onStored: (records: FeedRecord[]) => void = () => undefined;
  if (names.includes("predict")) {
    const predict = await (await import("./predict.ts")).startPredictRole(context);
    roles.push(predict);
    onStored = predict.onStored;
    if (!names.includes("feed")) open.defer(followFeed(context, onStored));
  }
  if (names.includes("feed")) roles.push(await (await import("./feed.ts")).startFeedRole(context, onStored));
  if (names.includes("score")) roles.push(await (await import("./score.ts")).startScoreRole(context));
  if (names.includes("checkpoint")) roles.push(await (await import("./checkpoint.ts")).startCheckpointRole(context));
  if (names.includes("report")) roles.push(await (await import("./report.ts")).startReportRole(context));
  return roles;
}

/** The feed lives in another process: its commits are announced by the database. Returns what ends the listening. */
function followFeed({ config, db, log }: RoleContext, onStored: (records: FeedRecord[]) => void): () => Promise<void> {
  const stop = new AbortController();
  const listening = listenToFeed(
    {
      db,
      url: config.DATABASE_URL!,
      onStored,
      follows: (d) =>
        d.source === config.FEED_SOURCE &&
        d.kind === config.FEED_KIND &&
        d.granularity === config.FEED_GRANULARITY &&
        config.FEED_SUBJECTS.includes(d.subject),
      onError: (error) => log.error({ error: String(error) }, "listening for feed records"),
    },
    stop.signal,
  );
  return async () => {
    stop.abort();
    await listening;
  };
}

/** Waits for the server as long as it is away, then brings the schema up to date. */
async function connectDatabase(config: Config, log: Logger, application: string): Promise<Database> {
  if (!config.DATABASE_URL)
    throw new ConfigError([
      "DATABASE_URL: not set; `npm start` runs a database of its own, a single role needs one named",
    ]);
  const db = openDatabase({
    url: config.DATABASE_URL,
    application: `almanac ${application}`,
    onError: (error) => log.warn({ error: String(error) }, "a database connection broke"),
  });
  for (;;) {
    try {
      const applied = await migrate(db);
      if (applied.length > 0) log.info({ applied }, "database migrated");
      return db;
    } catch (error) {
      log.warn({ error: String(error) }, "the database (DATABASE_URL) cannot be used; trying again");
      await delay(RETRY_MS);
    }
  }
}

await main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof ConfigError ? error.message : inspect(error, { showHidden: true })}\n`);
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
  },
);
