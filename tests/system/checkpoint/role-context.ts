import type { Logger } from "pino";
import { loadCompetition } from "../../../competitions/load.ts";
import { readConfig } from "../../../config.ts";
import type { Database } from "../../../db/database.ts";
import type { RoleContext } from "../../../workers/context.ts";
import { EVIDENCE } from "./workers.ts";
import * as w from "./world.ts";

/** What the node gives the checkpoint role, for a competition of its own with periods of a minute. */
export async function roleContext(
  { client, connection, bundle, namespace }: w.Temporal,
  db: Database,
  settings: Record<string, string>,
  log: Logger = w.quiet,
): Promise<RoleContext> {
  const config = readConfig({
    ...{ COMPETITION: "competitions/realtime/competition.ts", CHECKPOINT_INTERVAL_SECONDS: "60" },
    ...{ CRUNCH_ID: w.newCompetition(), EVIDENCE_DIR: EVIDENCE, TEMPORAL_CHECKPOINT_NAMESPACE: namespace },
    ...settings,
  });
  const competition = await loadCompetition(config.COMPETITION, ["SP500"]);
  const temporal = { connection, rounds: client, checkpoints: client, workflowBundle: bundle };
  return { config, log, db, competition, temporal };
}
