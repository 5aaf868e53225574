import type { Client } from "@temporalio/client";
import type { NativeConnection } from "@temporalio/worker";
import type { Logger } from "pino";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";

export interface TemporalClients {
  /** rounds and windows */
  rounds: Client;
  /** checkpoints, a namespace of their own */
  checkpoints: Client;
}
export interface TemporalWorkers extends TemporalClients {
  connection: NativeConnection;
  /** where workers of this process take the workflow code from */
  workflowBundle: { codePath: string };
}

/** What a role is handed; opened and closed by workers/compose.ts. */
export interface RoleContext {
  config: Config;
  log: Logger;
  db: Database;
  competition: LoadedCompetition;
  temporal: TemporalWorkers;
}

/** A running role. `run` settles when the role has ended; `drain` asks it to (no new work, open work ends or is handed over). */
export interface Role {
  name: string;
  run(): Promise<void>;
  drain(): Promise<void>;
  /** what is missing before this role can do its work; empty when ready */
  missing(): Promise<string[]>;
}
