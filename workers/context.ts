import type { Client } from "@temporalio/client";
import type { NativeConnection } from "@temporalio/worker";
import type { Logger } from "pino";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";

/** What every role is handed; opened and closed by workers/main.ts. */
export interface RoleContext {
  config: Config;
  log: Logger;
  db: Database;
  competition: LoadedCompetition;
  temporal: {
    connection: NativeConnection;
    /** rounds and windows */
    rounds: Client;
    /** where workers of this process take the workflow code from */
    workflowBundle: { codePath: string };
    /** checkpoints, a namespace of their own */
    checkpoints: Client;
  };
}

/** A running role. `run` settles when the role has ended; `drain` asks it to (no new work, open work ends or is handed over). */
export interface Role {
  name: string;
  run(): Promise<void>;
  drain(): Promise<void>;
  /** what is missing before this role can do its work; empty when ready */
  missing(): Promise<string[]>;
}

export type StartRole = (context: RoleContext) => Promise<Role>;
