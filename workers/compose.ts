import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { loadCompetition } from "../competitions/load.ts";
import { type Config, ConfigError } from "../config.ts";
import { type Database, MigrationError, migrate, openDatabase } from "../db/database.ts";
import { listenToFeed } from "../db/feed-listener.ts";
import type { FeedRecord } from "../feeds/feed.ts";
import type { Role, RoleContext } from "./context.ts";
import { loadOptions } from "./load-options.ts";
import type { RoleName } from "./main.ts";

const RETRY_MS = 1_000;

/** Opens database and Temporal, then the named roles in the order in which one needs the other. */
export async function startRoles(
  names: RoleName[],
  config: Config,
  log: Logger,
  open: AsyncDisposableStack,
): Promise<Role[]> {
  const competition = await competitionFor(names, config, log, open);
  const db = await connectDatabase(config, log, names.join("+"));
  open.defer(() => db.destroy());
  const node = { config, log, db, competition };
  const roles: Role[] = [];
  try {
    if (names.some((name) => WORKER_ROLES.includes(name))) await startWorkers(names, node, open, roles);
    else if (names.includes("feed")) roles.push(await startFeed(node, () => undefined));
    if (names.includes("report")) roles.push(await (await import("./report.ts")).startReportRole(node));
    return roles;
  } catch (error) {
    for (const role of roles.toReversed()) await role.drain(); // or closing what they hold would hide the cause
    throw error;
  }
}

/** Roles that ask callables open and try them; the others need only what the contract says of itself. */
async function competitionFor(names: RoleName[], config: Config, log: Logger, open: AsyncDisposableStack) {
  if (!names.includes("predict") && !names.includes("score"))
    return loadCompetition(config.COMPETITION, config.FEED_SUBJECTS, loadOptions(config));
  const { openCompetition, pythonHostOf } = await import("./competition.ts");
  return openCompetition(config, log, open.use(pythonHostOf(config, log)));
}

type Node = Omit<RoleContext, "temporal">;
/** Roles that run Temporal workers; the others do without the worker's memory. */
const WORKER_ROLES: readonly RoleName[] = ["predict", "score", "checkpoint"];

async function startWorkers(names: RoleName[], node: Node, open: AsyncDisposableStack, roles: Role[]): Promise<void> {
  const temporal = await (await import("./temporal-worker.ts")).connectWorkers(node.config, node.log);
  open.use(temporal);
  const context: RoleContext = { ...node, temporal };
  let onStored: (records: FeedRecord[]) => void = () => undefined;
  if (names.includes("predict")) {
    const predict = await (await import("./predict.ts")).startPredictRole(context);
    roles.push(predict);
    onStored = predict.onStored;
    if (!names.includes("feed")) open.defer(followFeed(node, onStored));
  }
  if (names.includes("feed")) roles.push(await startFeed(node, onStored));
  if (names.includes("score")) roles.push(await (await import("./score.ts")).startScoreRole(context));
  if (names.includes("checkpoint")) roles.push(await (await import("./checkpoint.ts")).startCheckpointRole(context));
}

const startFeed = async (node: Node, onStored: (records: FeedRecord[]) => void): Promise<Role> =>
  (await import("./feed.ts")).startFeedRole(node, onStored);

/** The feed lives in another process: its commits are announced by the database. Returns what ends the listening. */
function followFeed({ config, db, log }: Node, onStored: (records: FeedRecord[]) => void): () => Promise<void> {
  const stop = new AbortController();
  const [stream] = config.FEED_STREAMS;
  const listening = listenToFeed(
    {
      db,
      url: config.DATABASE_URL!,
      onStored,
      follows: (d) =>
        d.source === stream.source &&
        d.kind === stream.kind &&
        d.granularity === stream.granularity &&
        stream.subjects.includes(d.subject),
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
      if (error instanceof MigrationError) throw error;
      log.warn({ error: String(error) }, "the database (DATABASE_URL) cannot be used; trying again");
      await delay(RETRY_MS);
    }
  }
}
