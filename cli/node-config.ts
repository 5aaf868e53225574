import { type Config, environment, readConfig } from "../config.ts";
import { runningDatabaseUrl } from "../local/postgres.ts";
import { PROFILE } from "../local/settings.ts";

/**
 * Settings of the node whose database a command looks into: the one that DATABASE_URL names, else the `npm start` that runs in this folder,
 * with its profile. Throws where there is neither.
 */
export function nodeConfig(): Config & { readonly DATABASE_URL: string } {
  const named = readConfig();
  if (named.DATABASE_URL) return { ...named, DATABASE_URL: named.DATABASE_URL };
  const own = readConfig(environment(PROFILE));
  const url = runningDatabaseUrl(own.ALMANAC_DIR);
  if (!url) throw new Error("DATABASE_URL is not set, and no `npm start` runs here. Set it to the node's PostgreSQL.");
  return { ...own, DATABASE_URL: url };
}
