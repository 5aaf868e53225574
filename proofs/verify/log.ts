import { fromHex, type Hash, toHex } from "../hash.ts";
import { rootBefore, verifyConsistency, verifyInclusion } from "../merkle.ts";
import { checkpointOf, logName, openNote, type SignatureCheck } from "../note.ts";
import { type CheckpointRecord, recordHash } from "../records.ts";
import { Difference, type Place } from "./difference.ts";
import { aCount, aHash, aList, aText, exactly, same } from "./shape.ts";

const PLACE: Place = { file: "log.json", record: "" };

/** A head of the log's tree. */
interface LogHead {
  size: number;
  /** hex */
  root: string;
}

export interface LogRead extends LogHead {
  /** of this checkpoint, from 0 */
  index: number;
  /** public key of the notes, hex */
  signer: string;
  /** the tree before this checkpoint was appended; null: it is the first */
  before: LogHead | null;
  origin: string;
}

/** Shows that the record is in the log, that the log only grew by it, and that its head was signed. */
export async function checkLog(
  hash: Hash,
  verify: SignatureCheck,
  value: unknown,
  record: CheckpointRecord,
): Promise<LogRead> {
  const log = exactly(PLACE, "", value, ["signer", "index", "size", "root", "note", "inclusion", "consistency"]);
  const [index, size] = [aCount(PLACE, "index", log.index), aCount(PLACE, "size", log.size)];
  const root = aHash(PLACE, "root", log.root);
  const signer = aHash(PLACE, "signer", log.signer);
  same(PLACE, "size", index + 1, size);
  const [inclusion, consistency] = [hashesIn("inclusion", log.inclusion), hashesIn("consistency", log.consistency)];
  const leaf = recordHash(hash, record);
  if (!verifyInclusion(hash, { index, size, leafHash: leaf, path: inclusion, root: fromHex(root) }))
    throw new Difference(PLACE, "inclusion", `a path from ${toHex(leaf)} to ${root}`, "one that leads elsewhere");
  const before = beforeThis(hash, index, inclusion);
  checkGrowth(hash, before, { size, root }, consistency);
  const origin = logName(record.crunch);
  const head = await openNote(
    aText(PLACE, "note", log.note),
    { name: origin, publicKey: fromHex(signer) },
    { hash, verify },
  );
  if ("refused" in head) throw new Difference(PLACE, "note", `a note signed by ${signer}`, head.refused);
  same(PLACE, "note: size", size, head.size);
  same(PLACE, "note: root", root, toHex(head.root));
  const lines = checkpointOf(head);
  same(PLACE, "note: checkpoint", record.id, lines?.checkpoint);
  same(PLACE, "note: root of the checkpoint", record.root, lines?.root);
  same(PLACE, "note: emission", record.emission_hash, lines?.emission);
  return { index, size, root, signer, before, origin };
}

/** The last leaf's path holds the roots of all full subtrees before it: together they are the tree of the entries before. */
function beforeThis(hash: Hash, index: number, inclusion: readonly Uint8Array[]): LogHead | null {
  return index === 0 ? null : { size: index, root: toHex(rootBefore(hash, inclusion)) };
}

function checkGrowth(hash: Hash, before: LogHead | null, now: LogHead, path: readonly Uint8Array[]): void {
  const isConsistent =
    before === null
      ? path.length === 0
      : verifyConsistency(hash, {
          ...{ first: before.size, second: now.size, path },
          ...{ firstRoot: fromHex(before.root), secondRoot: fromHex(now.root) },
        });
  if (!isConsistent)
    throw new Difference(PLACE, "consistency", "a path from the entry before", "one that leads elsewhere");
}

const hashesIn = (field: string, value: unknown): Uint8Array[] =>
  aList(PLACE, field, value).map((each, i) => fromHex(aHash(PLACE, `${field}[${i}]`, each)));
