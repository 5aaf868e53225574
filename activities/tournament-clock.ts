import type { Client } from "@temporalio/client";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { busyTournaments } from "../db/tournament.ts";
import { startTournamentWorkflow } from "./start.ts";

export interface TournamentClockDeps {
  db: Database;
  client: Client;
  /** the competition's id in business keys */
  crunchId: string;
  log: Logger;
  now?: () => number;
}

const PASS = 100;
/** What has not changed since is told again after this long: its workflow may have been stopped by hand. */
const REPEAT_MS = 30_000;

/** Starts the workflow of each tournament round that was posted, and tells it of truths; call several times a second. */
export function createTournamentClock({ db, client, crunchId, log, now = Date.now }: TournamentClockDeps) {
  let told = new Map<string, { news: string; atMs: number }>();
  return {
    async sweep(): Promise<void> {
      const busy = await busyTournaments(db, PASS);
      told = new Map([...told].filter(([id]) => busy.some((t) => t.id === id)));
      for (const { id, status, truth_at } of busy) {
        const news = `${status}/${truth_at?.toISOString()}`;
        const before = told.get(id);
        if (before?.news === news && now() - before.atMs < REPEAT_MS) continue;
        await startTournamentWorkflow(client, { competition: crunchId, id, truthPosted: truth_at !== null });
        told.set(id, { news, atMs: now() });
        log.debug({ tournament: id, status }, "tournament round taken up");
      }
    },
  };
}
