import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import * as w from "./world.ts";

/** One Temporal for all tests of a file; each test has a database, a chain and a competition of its own. */
export function perTest() {
  let temporal: w.Temporal;
  let database: Awaited<ReturnType<typeof w.testDatabase>>;
  let chain: Awaited<ReturnType<typeof w.fundedChain>>;
  let competition: string;
  const stops: (() => Promise<void>)[] = [];
  const handle = () => temporal.client.workflow.getHandle(w.workflowIdOf(competition));
  beforeAll(async () => {
    temporal = await w.testTemporal();
  });
  afterAll(() => temporal.close());
  beforeEach(async () => {
    competition = w.newCompetition();
    [database, chain] = [await w.testDatabase(), await w.fundedChain()];
  });
  afterEach(async () => {
    await handle()
      .terminate("test over")
      .catch(() => undefined);
    for (const stop of stops.splice(0)) await stop();
    await chain.close();
    await database.close();
  });
  return {
    handle,
    /** ended after the test, in this order */
    stops,
    ensure: () => w.runsOf(temporal, database.db, competition).ensureCheckpoints(),
    get temporal() {
      return temporal;
    },
    get db() {
      return database.db;
    },
    get database() {
      return database;
    },
    get chain() {
      return chain;
    },
    get competition() {
      return competition;
    },
  };
}
