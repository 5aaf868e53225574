import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import { type CheckpointRow, checkpointById } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { noteBundle, readEvidence } from "../db/evidence.ts";
import { bundleName } from "../domain/ids.ts";
import { BundleArchive } from "./bundle-archive.ts";
import { writeEvidence } from "./bundle-files.ts";

export interface BundleDeps {
  db: Database;
  /** where bundles stand; the report role serves them from there */
  folder: string;
  /** public half of the key that signs the log's notes, 32 bytes in hex */
  signer: string;
  /** what wrote them, for people */
  versions: Record<string, string>;
  log: Logger;
}

interface WrittenBundle {
  bytes: number;
  rounds: number;
  snapshots: number;
}

/** On the queue of the checkpoint role. */
export function createBundleActivities(deps: BundleDeps) {
  return {
    /** Writes the evidence of a checkpoint into one file; run again, it finds it written. Null: it was. */
    async writeBundle({ id }: { id: string }): Promise<WrittenBundle | null> {
      const row = await checkpointById(deps.db, id);
      if (!row) throw ApplicationFailure.nonRetryable(`there is no checkpoint ${id}`, "UnknownCheckpoint");
      const path = join(deps.folder, bundleName(id));
      if (row.bundle_written_at !== null && existsSync(path)) return null;
      const written = await write(deps, row, path);
      await noteBundle(deps.db, id);
      deps.log.info({ checkpoint: id, ...written }, "evidence bundle written");
      return written;
    },
  };
}
export type BundleActivities = ReturnType<typeof createBundleActivities>;

async function write(
  { db, folder, signer, versions }: BundleDeps,
  row: CheckpointRow,
  path: string,
): Promise<WrittenBundle> {
  await mkdir(folder, { recursive: true });
  const archive = new BundleArchive(path);
  try {
    const { crunch, ...counts } = await readEvidence(db, (tx) => writeEvidence(tx, archive, row, signer));
    return { ...counts, ...(await archive.finish({ checkpoint: row.id, crunch, versions })) };
  } finally {
    await archive.discard();
  }
}
