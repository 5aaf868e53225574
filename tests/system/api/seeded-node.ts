import { afterAll, beforeAll, inject } from "vitest";
import type { App } from "../../../api/deps.ts";
import type { Database } from "../../../db/database.ts";
import { type Seeded, seed } from "./seed.ts";
import { type Fresh, freshDatabase, serverOn } from "./world.ts";

/** The server over a competition that has run for `rounds` rounds, for all tests of a file. */
export function seededNode(rounds: number) {
  let [fresh, app, seeded]: [Fresh, App, Seeded] = [] as never;
  beforeAll(async () => {
    fresh = await freshDatabase(inject("postgresUrl"));
    // 3.5 s into a scoring window: what is due and what is late must not depend on when the suite happens to start.
    const nowMs = Math.floor(Date.now() / 10_000) * 10_000 - 6_500;
    seeded = await seed(fresh.db, { nowMs, rounds });
    app = await serverOn(fresh.db, seeded.nowMs);
  });
  afterAll(async () => {
    await app?.close();
    await fresh?.[Symbol.asyncDispose]();
  });
  const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });
  return {
    get,
    json: async (url: string) => (await get(url)).json(),
    get app(): App {
      return app;
    },
    get db(): Database {
      return fresh.db;
    },
    get seeded(): Seeded {
      return seeded;
    },
  };
}
