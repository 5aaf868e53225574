import { CanonicalError } from "../canonical.ts";
import type { Hash } from "../hash.ts";
import type { SignatureCheck } from "../note.ts";
import type { CheckpointRecord } from "../records.ts";
import { TarError, type TarFile } from "../tar.ts";
import { type BundledContract, readContracts } from "./contracts.ts";
import { checkCycles } from "./cycles.ts";
import { Difference } from "./difference.ts";
import { BundleFiles, type RunningHash } from "./files.ts";
import { checkLog, type LogRead } from "./log.ts";
import { type BundledCheckpoint, checkRanking, namesIn, readCheckpoint } from "./ranking.ts";
import { type Rescore, readRounds } from "./rounds.ts";
import { same } from "./shape.ts";
import { checkSuperseded, readSnapshots, readSuperseded } from "./snapshots.ts";

/** What the verifier's own copy of a contract can do. */
export interface OwnContract {
  rescore: Rescore;
  /** its snapshots hold the plain mean of their scores' values */
  isMean: boolean;
}

export interface VerifyDeps {
  hash: Hash;
  startHash: () => RunningHash;
  /** Ed25519 */
  verify: SignatureCheck;
  /** the verifier's own copy of one of these contracts, never code from the bundle; null: it has none, scores are taken as given */
  contract?: ((bundled: readonly BundledContract[]) => Promise<OwnContract | null>) | undefined;
  /** told of each step that was found right */
  step?: ((step: Step) => void) | undefined;
}

/** One thing that was checked, in words. */
export interface Step {
  name: string;
  text: string;
}

export interface Verified {
  record: CheckpointRecord;
  log: LogRead;
  /** what was not checked, in sentences; empty: nothing */
  given: string[];
}

/**
 * Checks a bundle from its first file to its last. Throws Difference at the first thing that is not what it has to be, whatever the bundle holds:
 * everything in it may come from an attacker. What it says is then what `log.signer` signed; whether that key is the right one, and whether the
 * chain says the same, is not in a bundle.
 */
export async function verifyBundle(files: AsyncIterable<TarFile>, deps: VerifyDeps): Promise<Verified> {
  try {
    return await verify(new BundleFiles(files, deps.startHash), deps);
  } catch (error) {
    throw asDifference(error);
  }
}

async function verify(files: BundleFiles, deps: VerifyDeps): Promise<Verified> {
  const { hash } = deps;
  const step = (name: string, text: string): void => deps.step?.({ name, text });
  const manifest = await files.manifest();
  const checkpoint = readCheckpoint(hash, await files.json("checkpoint.json"));
  const { record } = checkpoint;
  const place = { file: "manifest.json", record: "" };
  same(place, "checkpoint", record.id, manifest.checkpoint);
  same(place, "crunch", record.crunch, manifest.crunch);
  step("checkpoint", `${record.id} of ${record.crunch}, ${record.period_start} to ${record.period_end}`);
  const contracts = await readContracts(files, hash);
  same(
    { file: "contracts.json", record: "" },
    "hashes",
    String(record.contract_hashes),
    String(contracts.map((c) => c.hash)),
  );
  step(
    "contracts",
    `${contracts.length} with ${contracts.reduce((n, c) => n + Object.keys(c.sources).length, 0)} sources`,
  );
  const log = await checkLog(hash, deps.verify, await files.json("log.json"), record);
  step("log", `entry ${log.index} of a tree of ${log.size}, signed by ${log.origin}`);
  const own = (await deps.contract?.(contracts)) ?? null;
  const given = await verifyScores(files, deps, checkpoint, own, step);
  await files.end();
  step("manifest", `${manifest.files.size} files, every byte as listed`);
  return { record, log, given };
}

async function verifyScores(
  files: BundleFiles,
  { hash }: VerifyDeps,
  checkpoint: BundledCheckpoint,
  own: OwnContract | null,
  step: (name: string, text: string) => void,
): Promise<string[]> {
  const { record, ranking, terms } = checkpoint;
  const rounds = await readRounds(files, { hash, rescore: own?.rescore });
  for (const name of rounds.contracts)
    same({ file: "rounds.ndjson", record: "" }, "contract_hash", true, record.contract_hashes.includes(name));
  const scores = rounds.table.length;
  step("scores", `${count(rounds.recomputed)} of ${count(scores)} computed again, ${count(rounds.rounds)} rounds`);
  const earlier = await readSuperseded(files, hash);
  const periodStartMs = Date.parse(record.period_start);
  const deps = { hash, periodStartMs, nameOf: namesIn(ranking), isMean: own?.isMean ?? false };
  const snapshots = await readSnapshots(files, deps, rounds, earlier);
  step("snapshots", `${count(snapshots.hashes.length)} hold these scores`);
  const cycles = await checkCycles(files, hash, record, snapshots.hashes);
  checkSuperseded(hash, earlier, cycles.snapshotRoots);
  step("root", `${count(cycles.cycles)} scoring windows lead to ${record.root}`);
  checkRanking(checkpoint, snapshots.means);
  step("ranking", `${count(ranking.length)} models by ${terms.field}`);
  step(
    "emission",
    `${count(terms.recipients.length)} recipients, ${sumOf(terms)} of 1,000,000,000; ${record.emission_hash}`,
  );
  return [
    ...(rounds.recomputed < scores
      ? [`${count(scores - rounds.recomputed)} of ${count(scores)} scores are taken as given`]
      : []),
    ...(own?.isMean
      ? []
      : ["snapshots' values are taken as given: whether they are what their scores add up to was not computed"]),
    ...(snapshots.replaced > 0
      ? [`${count(snapshots.replaced)} scores were replaced before the seal; only their hashes are left`]
      : []),
    ...(terms.field === "value" && terms.rule.strategy !== "contribution_weighted"
      ? []
      : ["metrics of snapshots are taken as given"]),
    ...(terms.rule.strategy === "custom"
      ? ["weights are what the contract's own function gave; it was not run again"]
      : []),
    ...(earlier.length > 0
      ? [
          `${count(earlier.length)} corrected snapshots of earlier periods are shown to be in the log's chain; their scores are in the bundles of those periods`,
        ]
      : []),
  ];
}

const sumOf = ({ recipients }: BundledCheckpoint["terms"]): string =>
  count(recipients.reduce((sum, r) => sum + r.frac64, 0));
const count = (n: number): string => n.toLocaleString("en-US");

/** Whatever goes wrong while hostile bytes are read is a finding about them. */
function asDifference(error: unknown): Difference {
  if (error instanceof Difference) return error;
  const isArchive = error instanceof TarError || error instanceof CanonicalError;
  const place = { file: isArchive ? "the archive" : "the bundle", record: "" };
  return new Difference(place, "", "one that can be read", String(error instanceof Error ? error.message : error));
}
