/**
 * Brings the schema up to date and prepares Temporal, then ends: the supervisor lives long and should not carry the
 * libraries for it. `node prepare-servers.ts database|temporal`; prints what it did.
 */
import { environment, readConfig } from "../config.ts";

const config = readConfig();

async function prepareDatabase(): Promise<string> {
  const { migrate, openDatabase } = await import("../db/database.ts");
  if (!config.DATABASE_URL) throw new Error("DATABASE_URL is not set");
  const db = openDatabase({ url: config.DATABASE_URL, application: "almanac-migrate", maxConnections: 1 });
  try {
    const applied = await migrate(db);
    return applied.length === 0 ? "schema up to date" : `${applied.length} migrations`;
  } finally {
    await db.destroy();
  }
}

async function prepareServer(): Promise<string> {
  const { Connection } = await import("@temporalio/client");
  const { chosenConnection, waitForTemporal } = await import("./temporal.ts");
  const { prepareTemporal } = await import("./temporal-setup.ts");
  const options = await chosenConnection(environment());
  if (!options.tls && !options.apiKey) await waitForTemporal(config.TEMPORAL_ADDRESS); // it may have been started just now
  const connection = await Connection.connect(options);
  try {
    await prepareTemporal(connection, config.TEMPORAL_NAMESPACE, config.TEMPORAL_CHECKPOINT_NAMESPACE);
    return "namespaces ready";
  } finally {
    await connection.close();
  }
}

try {
  console.log(await (process.argv[2] === "database" ? prepareDatabase() : prepareServer()));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
