import { createServer, type Server } from "node:http";
import { resolve } from "node:path";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import type { ApiSettings, App } from "../api/deps.ts";
import { type Checks, databaseChecks, feedCheck, missingOf } from "../api/readiness.ts";
import { buildServer, HTTP_LIMITS } from "../api/server.ts";
import { type Config, dayFolderOf, evidenceFolderOf } from "../config.ts";
import { openDatabase } from "../db/database.ts";
import { temporalProblem } from "../local/temporal.ts";
import packageJson from "../package.json" with { type: "json" };
import { backfillRuns } from "./backfill-client.ts";
import { checkpointRuns } from "./checkpoint-client.ts";
import type { Role, RoleContext } from "./context.ts";
import { closeServer } from "./health.ts";
import { lazyClient } from "./lazy-client.ts";
import { registry, requestDuration } from "./metrics.ts";
import { rescoreRuns } from "./rescore-client.ts";

/** A report must never hold the database: its queries are ended sooner than those of the other roles. */
const STATEMENT_TIMEOUT_MS = 5_000;
const TEMPORAL_TIMEOUT_MS = 1_500;
const WEB_ROOT = resolve(import.meta.dirname, "..", "web", "dist");

/** Serves API and page on REPORT_API_PORT and, the same, on REPORT_UI_PORT. Rejects where a port is taken, naming the setting. */
export async function startReportRole(context: Omit<RoleContext, "temporal">): Promise<Role> {
  const { config, log, competition } = context;
  const db = openDatabase({
    url: config.DATABASE_URL!,
    application: "almanac report api",
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onError: (error) => log.warn({ error: String(error) }, "a database connection broke"),
  });
  const settings = settingsOf(config);
  const checks: Checks = { ...databaseChecks(db), ...temporalChecks(context), feed: feedCheck(db, settings.feed) };
  const workflows = lazyClient(config);
  const app = await buildServer({
    settings,
    backfills: backfillRuns(config, workflows),
    rescores: rescoreRuns(config, workflows),
    checkpoints: checkpointRuns(config, workflows),
    db,
    competition,
    checks,
    log,
    metrics: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    onAnswer: ({ method, route, status, seconds }) => requestDuration.observe({ method, route, status }, seconds),
  });
  const second = createServer({ ...HTTP_LIMITS }, (request, response) => app.routing(request, response));
  try {
    await listenBoth(app, second, config);
  } catch (error) {
    await Promise.all([app.close(), closeServer(second), workflows.close(), db.destroy()]);
    throw error;
  }
  log.info(
    {
      api: urlOf(config, config.REPORT_API_PORT),
      ...(config.REPORT_UI_PORT > 0 ? { page: urlOf(config, config.REPORT_UI_PORT) } : {}),
    },
    "report API",
  );
  return roleOf(app, second, checks, async () => void (await Promise.all([workflows.close(), db.destroy()])));
}

function roleOf(app: App, second: Server, checks: Checks, close: () => Promise<void>): Role {
  const ended = Promise.withResolvers<void>();
  return {
    name: "report",
    run: () => ended.promise,
    drain: async () => {
      await Promise.all([app.close(), closeServer(second)]);
      await close();
      ended.resolve();
    },
    missing: async () => (await missingOf(checks)).map(({ what, why }) => `${what}: ${why}`),
  };
}

const urlOf = (config: Config, port: number): string =>
  `http://${config.API_HOST.includes(":") ? `[${config.API_HOST}]` : config.API_HOST}:${port}`;

export function settingsOf(config: Config): ApiSettings {
  return {
    version: packageJson.version,
    competition: config.CRUNCH_ID,
    address: config.CRUNCH_PUBKEY,
    network: config.NETWORK,
    temporalUi: config.TEMPORAL_UI_URL.replace(/\/$/, ""),
    namespaces: { rounds: config.TEMPORAL_NAMESPACE, checkpoints: config.TEMPORAL_CHECKPOINT_NAMESPACE },
    feed: {
      source: config.FEED_STREAMS[0].source,
      kind: config.FEED_STREAMS[0].kind,
      granularity: config.FEED_STREAMS[0].granularity,
      subjects: config.FEED_STREAMS[0].subjects,
    },
    windowIntervalMs: config.SCORE_INTERVAL_SECONDS * 1_000,
    checkpointClock: {
      anchorMs: Date.parse(config.CHECKPOINT_ANCHOR),
      intervalMs: config.CHECKPOINT_INTERVAL_SECONDS * 1_000,
    },
    apiKey: config.API_KEY,
    readAuth: config.API_READ_AUTH,
    webRoot: WEB_ROOT,
    backfillRoot: dayFolderOf(config),
    evidenceRoot: evidenceFolderOf(config),
  };
}

/**
 * The server answers. A plain one is asked over HTTP/2 directly: the SDK's client would cost this process a quarter of its memory.
 * One behind TLS or a key is asked by the client, loaded then.
 */
function temporalChecks({ config, log }: Pick<RoleContext, "config" | "log">): Checks {
  const { tls, apiKey } = loadClientConnectConfig({}).connectionOptions;
  const plain = async () => (await temporalProblem(config.TEMPORAL_ADDRESS, TEMPORAL_TIMEOUT_MS)) ?? null;
  const secured = async () => {
    const { connectClients } = await import("./temporal-client.ts");
    await using clients = await connectClients(config, log);
    await clients.rounds.withDeadline(Date.now() + TEMPORAL_TIMEOUT_MS, () =>
      clients.rounds.workflowService.describeNamespace({ namespace: config.TEMPORAL_NAMESPACE }),
    );
    return null;
  };
  return { temporal: tls || apiKey ? secured : plain };
}

async function listenBoth(
  app: App,
  second: Server,
  { API_HOST: host, REPORT_API_PORT, REPORT_UI_PORT }: Config,
): Promise<void> {
  await naming("REPORT_API_PORT", REPORT_API_PORT, host, () =>
    app.listen({ host, port: REPORT_API_PORT, listenTextResolver: () => "listening" }),
  );
  if (REPORT_UI_PORT === 0) return;
  await naming("REPORT_UI_PORT", REPORT_UI_PORT, host, () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    second.once("error", reject).listen(REPORT_UI_PORT, host, resolve);
    return promise;
  });
}

async function naming(setting: string, port: number, host: string, listen: () => Promise<unknown>): Promise<void> {
  try {
    await listen();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(`port ${port} on ${host} is taken by another program: end it, or set ${setting} to another port`, {
      cause: error,
    });
  }
}
