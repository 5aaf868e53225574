import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll } from "vitest";
import { type LoadedCompetition, loadCompetition } from "../../competitions/load.ts";
import type { Database } from "../../db/database.ts";
import { bundleName } from "../../domain/ids.ts";
import { openArchive } from "../../proofs/verify/archive.ts";
import { type Step, verifyBundle } from "../../proofs/verify/verify.ts";
import { testDatabase } from "../system/checkpoint/world.ts";
import { verifyDeps } from "./archive.ts";
import { evidenceWorld } from "./world.ts";

const COMPETITION = resolve(import.meta.dirname, "../../competitions/realtime/competition.ts");

/** The real activities around a database and a folder of bundles of their own, for all tests of a file. */
export function evidenceNode() {
  let database: Awaited<ReturnType<typeof testDatabase>>;
  let loaded: LoadedCompetition;
  let folder: string;
  let world: ReturnType<typeof evidenceWorld>;
  beforeAll(async () => {
    database = await testDatabase();
    loaded = await loadCompetition(COMPETITION, ["BTC"]);
    folder = await mkdtemp(join(tmpdir(), "almanac-evidence-"));
    world = evidenceWorld(database.db, loaded, folder);
  });
  afterAll(async () => {
    await database?.close();
    if (folder) await rm(folder, { recursive: true });
  });
  return {
    get db(): Database {
      return database.db;
    },
    get loaded(): LoadedCompetition {
      return loaded;
    },
    get folder(): string {
      return folder;
    },
    get world(): ReturnType<typeof evidenceWorld> {
      return world;
    },
    /** What the library says of a bundle, step by step; throws a Difference. */
    async verified(id: string) {
      const steps: Step[] = [];
      const bytes = Readable.toWeb(createReadStream(join(folder, bundleName(id)))) as never;
      const found = await verifyBundle(
        openArchive(bytes),
        verifyDeps({ step: (s) => steps.push(s), contract: undefined }),
      );
      return { ...found, steps: Object.fromEntries(steps.map((s) => [s.name, s.text])) };
    },
  };
}
