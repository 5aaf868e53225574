import { Client } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime } from "@temporalio/worker";
import type { Logger } from "pino";
import { type Config, localPath } from "../config.ts";
import { prepareTemporal } from "../local/temporal-setup.ts";
import { BUNDLE_FILE, workflowBundle } from "./bundle.ts";
import type { TemporalWorkers } from "./context.ts";
import { connectionOptions, untilConnected } from "./temporal-client.ts";

/** Sends the SDK's own log through the role's, and leaves signals to workers/main.ts. Once a process, before any connection. */
export function bridgeTemporalLog(log: Logger): void {
  const levels = { TRACE: "trace", DEBUG: "debug", INFO: "debug", WARN: "warn", ERROR: "error" } as const;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger("INFO", (entry) =>
      log[levels[entry.level]]({ ...entry.meta, error: String(entry.meta?.error ?? "") || undefined }, entry.message),
    ),
  });
}

/** One native connection for workers and clients of a process: what eager starts need. */
export async function connectWorkers(config: Config, log: Logger): Promise<TemporalWorkers & AsyncDisposable> {
  bridgeTemporalLog(log);
  const connection = await untilConnected(() => NativeConnection.connect(connectionOptions(config)), config, log);
  await prepareTemporal(connection, config.TEMPORAL_NAMESPACE, config.TEMPORAL_CHECKPOINT_NAMESPACE);
  return {
    connection,
    rounds: new Client({ connection, namespace: config.TEMPORAL_NAMESPACE }),
    checkpoints: new Client({ connection, namespace: config.TEMPORAL_CHECKPOINT_NAMESPACE }),
    workflowBundle: await workflowBundle(localPath(config, BUNDLE_FILE)),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
