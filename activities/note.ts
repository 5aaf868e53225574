import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import { checkpointLog, type LogEntry, storeNote } from "../db/checkpoint-log.ts";
import type { Database } from "../db/database.ts";
import { fromHex, toHex } from "../proofs/hash.ts";
import { growingTree } from "../proofs/merkle.ts";
import { checkpointLines, logName, noteBytes, noteKeyId, signedNote, treeHeadText } from "../proofs/note.ts";
import type { CheckpointRecord } from "../proofs/records.ts";
import { sha256 } from "./sha256.ts";

/** The submitter's key, as far as notes need it. */
export interface NoteSigner {
  /** 32 bytes */
  publicKey: Uint8Array;
  /** Ed25519 over these bytes */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface NoteDeps {
  db: Database;
  signer: NoteSigner;
  log: Logger;
}

/** On the signing queue. */
export const createNoteActivities = ({ db, signer, log }: NoteDeps) => ({
  /**
   * Signs the head of the log that ends with this checkpoint. Ed25519 is deterministic: a second run gives the same note, and the first one stays. A
   * log whose rows do not give the roots that they were stored with is not signed: nobody could show later that it only grew.
   */
  async signNote({ id }: { id: string }): Promise<{ size: number; root: string }> {
    const entries = await checkpointLog(db);
    const index = entries.findIndex((entry) => entry.checkpoint_id === id);
    const entry = entries[index];
    if (!entry) throw ApplicationFailure.nonRetryable(`${id} is not in the log of checkpoints`, "NotLogged");
    if (entry.note === null) {
      refuseRewritten(entries.slice(0, index + 1));
      await storeNote(db, id, await noteOf(entry, signer));
      log.info({ checkpoint: id, log_size: index + 1, log_root: entry.tree_root }, "log head signed");
    }
    return { size: index + 1, root: entry.tree_root };
  },
});
export type NoteActivities = ReturnType<typeof createNoteActivities>;

async function noteOf({ idx, record_jsonb, tree_root }: LogEntry, signer: NoteSigner): Promise<string> {
  const { id, crunch, root, emission_hash } = record_jsonb as unknown as CheckpointRecord;
  const name = logName(crunch);
  const extensions = checkpointLines({ checkpoint: id, root, emission: emission_hash });
  const text = treeHeadText({ origin: name, size: idx + 1, root: fromHex(tree_root), extensions });
  const keyId = noteKeyId(sha256, name, signer.publicKey);
  return signedNote(text, { name, keyId, signature: await signer.sign(noteBytes(text)) });
}

function refuseRewritten(entries: readonly LogEntry[]): void {
  const tree = growingTree(sha256);
  for (const entry of entries) {
    tree.append(fromHex(entry.leaf_hash));
    if (toHex(tree.root()) !== entry.tree_root)
      throw ApplicationFailure.nonRetryable(
        `entry ${entry.idx} of checkpoint_log (${entry.checkpoint_id}) does not give its root: the log was changed`,
        "LogRewritten",
      );
  }
}
