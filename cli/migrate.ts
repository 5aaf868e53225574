import { readConfig } from "../config.ts";
import { migrate, openDatabase } from "../db/database.ts";

/** `almanac migrate`: applies what is missing, under the migrations' own lock. */
export async function migrateCommand(): Promise<void> {
  const { DATABASE_URL } = readConfig();
  if (!DATABASE_URL)
    throw new Error(
      "DATABASE_URL is not set. Set it to the node's PostgreSQL; `almanac dev` migrates its own by itself.",
    );
  const db = openDatabase({ url: DATABASE_URL, application: "almanac-migrate", maxConnections: 1 });
  try {
    const applied = await migrate(db);
    console.log(applied.length === 0 ? "the schema is up to date" : `applied ${applied.join(", ")}`);
  } finally {
    await db.destroy();
  }
}
