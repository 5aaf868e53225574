import { setTimeout as delay } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import type { Logger } from "pino";
import { type Config, localPath } from "../config.ts";
import { prepareTemporal } from "../local/temporal-setup.ts";
import { BUNDLE_FILE, workflowBundle } from "./bundle.ts";
import type { RoleContext } from "./context.ts";

const RETRY_MS = 1_000;

/** Sends the SDK's own log through the role's. Once a process, before any connection. */
export function bridgeTemporalLog(log: Logger): void {
  const levels = { TRACE: "trace", DEBUG: "debug", INFO: "debug", WARN: "warn", ERROR: "error" } as const;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger("INFO", (entry) =>
      log[levels[entry.level]]({ ...entry.meta, error: String(entry.meta?.error ?? "") || undefined }, entry.message),
    ),
  });
}

/** Connects, retrying for as long as the server is away; prepares namespaces and search attributes. */
export async function connectTemporal(config: Config, log: Logger): Promise<RoleContext["temporal"] & AsyncDisposable> {
  const options = { ...loadClientConnectConfig({}).connectionOptions, address: config.TEMPORAL_ADDRESS };
  const setup = await untilConnected(() => Connection.connect(options), config, log);
  await prepareTemporal(setup, config.TEMPORAL_NAMESPACE, config.TEMPORAL_CHECKPOINT_NAMESPACE);
  await setup.close();
  const connection = await untilConnected(() => NativeConnection.connect(options), config, log);
  return {
    connection,
    rounds: new Client({ connection, namespace: config.TEMPORAL_NAMESPACE }),
    checkpoints: new Client({ connection, namespace: config.TEMPORAL_CHECKPOINT_NAMESPACE }),
    workflowBundle: await workflowBundle(localPath(config, BUNDLE_FILE)),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

async function untilConnected<T>(connect: () => Promise<T>, config: Config, log: Logger): Promise<T> {
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      log.warn(
        { error: String(error) },
        `Temporal at ${config.TEMPORAL_ADDRESS} does not answer (TEMPORAL_ADDRESS); trying again`,
      );
      await delay(RETRY_MS);
    }
  }
}
