import { setTimeout as delay } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { loadClientConnectConfig } from "@temporalio/envconfig";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { prepareTemporal } from "../local/temporal-setup.ts";
import type { TemporalClients } from "./context.ts";

const RETRY_MS = 1_000;

/** Address, TLS and key: the profile of @temporalio/envconfig, TEMPORAL_ADDRESS over it. */
export const connectionOptions = (config: Config) => ({
  ...loadClientConnectConfig({}).connectionOptions,
  address: config.TEMPORAL_ADDRESS,
});

/** Connects, retrying for as long as the server is away; prepares namespaces and search attributes. */
export async function connectClients(config: Config, log: Logger): Promise<TemporalClients & AsyncDisposable> {
  const connection = await untilConnected(() => Connection.connect(connectionOptions(config)), config, log);
  await prepareTemporal(connection, config.TEMPORAL_NAMESPACE, config.TEMPORAL_CHECKPOINT_NAMESPACE);
  return {
    rounds: new Client({ connection, namespace: config.TEMPORAL_NAMESPACE }),
    checkpoints: new Client({ connection, namespace: config.TEMPORAL_CHECKPOINT_NAMESPACE }),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

export async function untilConnected<T>(connect: () => Promise<T>, config: Config, log: Logger): Promise<T> {
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
