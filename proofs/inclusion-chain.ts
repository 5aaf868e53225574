import { fromHex, type Hash, toHex } from "./hash.ts";
import { verifyInclusion } from "./merkle.ts";
import { checkpointOf, logName, openNote, type SignatureCheck } from "./note.ts";
import { type ProofRecord, recordHex } from "./records.ts";

/** A record with the hash that it is said to have, hex. */
interface HashedRecord {
  record: Record<string, unknown>;
  hash: string;
}
interface InclusionStep {
  leaf: string;
  tree: string;
  index: number;
  size: number;
  leaf_hash: string;
  path: readonly string[];
  root: string;
}
/** What the API answers to a question for a proof: from a score or a snapshot up to the log, as far as it goes. */
export interface InclusionChain {
  round?: HashedRecord;
  score?: HashedRecord;
  snapshot: HashedRecord;
  cycle: HashedRecord;
  checkpoint: HashedRecord | null;
  steps: readonly InclusionStep[];
  log: { index: number; size: number; root: string; note: string | null } | null;
}
interface Deps {
  hash: Hash;
  verify: SignatureCheck;
  /** of the node's key, 32 bytes */
  publicKey: Uint8Array;
}

/**
 * The first thing in a proof that does not hold, in a sentence, or null: then everything in it is under the signed note, or, where there is none yet,
 * under the last root. Whatever an attacker sends gives a sentence.
 */
export async function chainProblem(chain: InclusionChain, deps: Deps): Promise<string | null> {
  try {
    return recordProblem(deps.hash, chain) ?? stepsProblem(deps.hash, chain) ?? (await noteProblem(chain, deps));
  } catch (error) {
    return `malformed: ${String(error)}`;
  }
}

function recordProblem(hash: Hash, chain: InclusionChain): string | null {
  for (const name of ["round", "score", "snapshot", "cycle", "checkpoint"] as const) {
    const given = chain[name];
    if (!given) continue;
    const found = recordHex(hash, given.record as unknown as ProofRecord);
    if (found !== given.hash) return `the ${name}'s record has the hash ${found}, not ${given.hash}`;
  }
  if (chain.score && chain.score.record.round !== chain.round?.hash) return "the score belongs to another round";
  return null;
}

interface Rung {
  leaf: string;
  tree: string;
  leafHash: string;
  root: unknown;
  size: unknown;
}

/** What each step has to lead from and to, as the records say it. */
function rungsOf({ score, snapshot, cycle, checkpoint, log }: InclusionChain): Rung[] {
  const own = snapshot.record;
  const rungs: Rung[] = [
    {
      leaf: "snapshot",
      tree: "cycle",
      leafHash: snapshot.hash,
      root: cycle.record.snapshots_root,
      size: cycle.record.snapshots,
    },
  ];
  if (score)
    rungs.unshift({ leaf: "score", tree: "snapshot", leafHash: score.hash, root: own.scores_root, size: own.scores });
  if (!checkpoint) return rungs;
  const { root, cycles: size } = checkpoint.record;
  rungs.push({ leaf: "cycle", tree: "checkpoint", leafHash: cycle.hash, root, size });
  rungs.push({ leaf: "checkpoint", tree: "log", leafHash: checkpoint.hash, root: log?.root, size: log?.size });
  return rungs;
}

function stepsProblem(hash: Hash, chain: InclusionChain): string | null {
  const rungs = rungsOf(chain);
  if (chain.steps.length !== rungs.length) return `${chain.steps.length} steps, not ${rungs.length}`;
  for (const [i, rung] of rungs.entries()) {
    const step = chain.steps[i]!;
    const name = `${rung.leaf} in ${rung.tree}`;
    if (step.leaf_hash !== rung.leafHash) return `${name}: the path begins at ${step.leaf_hash}, not ${rung.leafHash}`;
    if (step.root !== rung.root) return `${name}: the path ends at ${step.root}, not ${String(rung.root)}`;
    if (step.size !== rung.size) return `${name}: the tree has ${step.size} leaves, not ${String(rung.size)}`;
    const { index, size, path } = step;
    const proof = { index, size, leafHash: fromHex(step.leaf_hash), path: path.map(fromHex), root: fromHex(step.root) };
    if (!verifyInclusion(hash, proof)) return `${name}: the path leads elsewhere`;
  }
  return null;
}

async function noteProblem(
  { checkpoint, log }: InclusionChain,
  { hash, verify, publicKey }: Deps,
): Promise<string | null> {
  if (!checkpoint || !log || log.note === null) return null;
  const { id, crunch, root, emission_hash } = checkpoint.record;
  const head = await openNote(log.note, { name: logName(String(crunch)), publicKey }, { hash, verify });
  if ("refused" in head) return head.refused;
  if (head.size !== log.size || toHex(head.root) !== log.root)
    return `the note is of a log of ${head.size} with the root ${toHex(head.root)}, not ${log.size} and ${log.root}`;
  const said = checkpointOf(head);
  if (said?.checkpoint !== id || said?.root !== root || said?.emission !== emission_hash)
    return "the note names another checkpoint, root or emission";
  return null;
}
