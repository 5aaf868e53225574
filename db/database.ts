import { Kysely, PostgresDialect, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import { Pool } from "pg";
import { MIGRATIONS } from "./migrations/index.ts";
import type { Schema } from "./schema.ts";

export type Database = Kysely<Schema>;
/** A database or an open transaction: whoever calls decides. */
export type Queryable = Kysely<Schema> | Transaction<Schema>;

export interface DatabaseOptions {
  url: string;
  /** shown in pg_stat_activity */
  application: string;
  maxConnections?: number;
  statementTimeoutMs?: number;
  /** a connection of the pool broke while idle; the pool replaces it */
  onError?: (error: Error) => void;
}

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: options.url,
    application_name: options.application,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: 5_000,
    statement_timeout: options.statementTimeoutMs ?? 60_000,
    idle_in_transaction_session_timeout: 10_000,
  });
  const onError = options.onError ?? (() => undefined); // without a listener a restarted server would end the process
  pool.on("error", onError);
  pool.on("connect", (client) => client.on("error", onError)); // also while a transaction holds it and is between two statements
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}

/** A migration was refused; PostgreSQL rolled all of it back, so nothing is half done. */
export class MigrationError extends Error {
  override name = "MigrationError";
  constructor(migration: string, cause: unknown) {
    super(`migration ${migration} failed and was rolled back; nothing is half done. Cause: ${String(cause)}`, {
      cause,
    });
  }
}

/** Brings the schema up to date; safe to run twice and at once (kysely's migrator holds an advisory lock). Returns what was applied. */
export async function migrate(db: Database): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error, results } = await migrator.migrateToLatest();
  const failed = results?.find((r) => r.status === "Error");
  if (failed) throw new MigrationError(failed.migrationName, error);
  if (error) throw error; // the server could not be reached, or refused
  return (results ?? []).map((r) => r.migrationName);
}

/** True where every migration known to this version has been applied. */
export async function isMigrated(db: Database): Promise<boolean> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const all = await migrator.getMigrations();
  return all.every((m) => m.executedAt !== undefined);
}
