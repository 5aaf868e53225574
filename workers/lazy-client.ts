import type { Client } from "@temporalio/client";
import type { Config } from "../config.ts";

/** A Temporal client for a process that seldom wants one. */
export interface LazyClient {
  /** Rejects where the work is not done in time. */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Whoever waits longer than this for the score role or Temporal is told that they are away. */
const PATIENCE_MS = 10_000;

/** The SDK's client would cost a report process a quarter of its memory: it is loaded with the first use. */
export function lazyClient(config: Config): LazyClient {
  let opened: Promise<Client> | undefined;
  const ready = (): Promise<Client> => {
    opened ??= open(config);
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  return {
    use: async (work) => {
      const client = await ready();
      return client.withDeadline(Date.now() + PATIENCE_MS, () => work(client));
    },
    close: async () => void (await opened?.then((client) => client.connection.close()).catch(() => undefined)),
  };
}

async function open(config: Config): Promise<Client> {
  const { Client, Connection } = await import("@temporalio/client");
  const { connectionOptions } = await import("./temporal-client.ts");
  return new Client({
    connection: Connection.lazy(connectionOptions(config)),
    namespace: config.TEMPORAL_NAMESPACE,
  });
}
