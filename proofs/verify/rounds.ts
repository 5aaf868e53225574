import { canonicalText } from "../canonical.ts";
import type { Hash } from "../hash.ts";
import { byText, type RoundRecord, recordHash, recordHex, type SaidPrediction } from "../records.ts";
import { Difference, type Place } from "./difference.ts";
import type { BundleFiles } from "./files.ts";
import { ScoreTable } from "./score-table.ts";
import { aList, anObject, aText, aTime, exactly, type Fields } from "./shape.ts";

/** What a model said in a round, as its scorer is asked about it. */
export interface AskedPrediction {
  model_id: string;
  deployment_id: string;
  prediction: SaidPrediction;
  scorer_hash: string;
}

/** What a score has to be; null: this scorer cannot say (another version gave it, or it hung). */
export type ExpectedScore = {
  value: number | null;
  success: boolean;
  failed_reason: string | null;
  result: unknown;
} | null;

/**
 * Scores all predictions of some rounds again, by the contract's scorer and its missing policy. One list a round, in order.
 */
export type Rescore = (
  rounds: readonly { scope: unknown; truth: unknown; predictions: readonly AskedPrediction[] }[],
) => Promise<ExpectedScore[][]>;

export interface RoundsRead {
  table: ScoreTable;
  rounds: number;
  /** scores that were computed again and are the same */
  recomputed: number;
  /** of the contracts that rounds began under */
  contracts: ReadonlySet<string>;
  /**
   * A missing prediction's value that is another one's than the worst of the round: right where an answer of its round came late, after the
   * missing had been valued. Its round's scores [from, to) say whether one did.
   */
  doubts: { from: number; to: number; difference: Difference }[];
}

interface Deps {
  hash: Hash;
  /** absent: scores are taken as given */
  rescore?: Rescore | undefined;
}

const FILE = "rounds.ndjson";
/** Scores that are computed again at once. */
const BATCH = 2_000;
const MOST_DOUBTS = 10_000;
const ROUND_FIELDS = [
  ...["type", "id", "scope_key", "scope", "due_at", "resolve_at", "contract_hash", "input_hash"],
  ...["truth", "truth_evidence"],
];

interface OpenRound {
  place: Place;
  record: RoundRecord;
  scores: readonly Fields[];
  /** of its first score in the table */
  from: number;
}

/** Reads rounds with their predictions and scores, hashes each, and computes the scores again where there is a scorer. */
export async function readRounds(files: BundleFiles, deps: Deps): Promise<RoundsRead> {
  const read: RoundsRead & { contracts: Set<string> } = {
    ...{ table: new ScoreTable(), rounds: 0, recomputed: 0, contracts: new Set(), doubts: [] },
  };
  let open: OpenRound[] = [];
  let before: RoundRecord | null = null;
  const flush = async (): Promise<void> => {
    if (deps.rescore) await compareAll(deps.rescore, open, read);
    open = [];
  };
  for await (const { value, line } of files.lines(FILE)) {
    const round = readRound(deps.hash, value, { file: FILE, record: `line ${line}` }, read.table);
    if (before && !isAfter(round.record, before))
      throw new Difference(
        round.place,
        "record",
        "a round due after the one before",
        `${round.record.due_at} ${round.record.id}`,
      );
    before = round.record;
    read.rounds++;
    read.contracts.add(round.record.contract_hash);
    open.push(round);
    if (read.table.length - open[0]!.from >= BATCH) await flush();
  }
  await flush();
  return read;
}

/** In order of (due time, id), each once. ISO texts of one form compare as their times. */
const isAfter = (a: RoundRecord, b: RoundRecord): boolean => (byText(a.due_at, b.due_at) || byText(a.id, b.id)) > 0;

function readRound(hash: Hash, value: unknown, place: Place, table: ScoreTable): OpenRound {
  const line = exactly(place, "", value, ["record", "scores"]);
  const fields = exactly(place, "record", line.record, ROUND_FIELDS);
  const record = fields as unknown as RoundRecord;
  const id = aText(place, "record.id", fields.id);
  aText(place, "record.contract_hash", fields.contract_hash);
  aTime(place, "record.due_at", fields.due_at);
  const resolveMs = aTime(place, "record.resolve_at", fields.resolve_at);
  const at = { file: FILE, record: `${place.record} (${id})` };
  const round = recordHex(hash, record);
  const from = table.length;
  const scores = aList(at, "scores", line.scores).map((each, i) => readScore(at, `scores[${i}]`, each));
  for (const { deployment_id, model_id, prediction, score, scorer_hash } of scores as readonly Fields[]) {
    const leaf = { deployment_id, model_id, prediction, round, score, scorer_hash, type: "score/1" } as const;
    const { value, success } = score as { value: number | null; success: boolean };
    table.add({ modelId: model_id as string, resolveMs, leaf: recordHash(hash, leaf as never), value, success });
  }
  return { place: at, record, scores, from };
}

const SCORE_FIELDS = ["model_id", "deployment_id", "prediction", "scorer_hash", "score"];

function readScore(place: Place, field: string, value: unknown): Fields {
  const entry = exactly(place, field, value, SCORE_FIELDS);
  aText(place, `${field}.model_id`, entry.model_id);
  anObject(place, `${field}.prediction`, entry.prediction);
  const { value: number, success } = exactly(place, `${field}.score`, entry.score, [
    ...["value", "success", "failed_reason", "result"],
  ]);
  if (number !== null && typeof number !== "number")
    throw new Difference(place, `${field}.score.value`, "a number or null", number);
  if (typeof success !== "boolean") throw new Difference(place, `${field}.score.success`, "true or false", success);
  return entry;
}

async function compareAll(rescore: Rescore, rounds: readonly OpenRound[], read: RoundsRead): Promise<void> {
  const answers = await rescore(
    rounds.map(({ record, scores }) => ({
      ...{ scope: record.scope, truth: record.truth },
      predictions: scores as unknown as AskedPrediction[],
    })),
  );
  for (const [r, round] of rounds.entries())
    for (const [i, expected] of answers[r]!.entries()) {
      if (expected === null) continue;
      const found = round.scores[i]!;
      if (canonicalText(expected) === canonicalText(found.score)) read.recomputed++;
      else doubt(read, round, i, expected, found);
    }
}

function doubt(read: RoundsRead, round: OpenRound, i: number, expected: ExpectedScore, found: Fields): void {
  const score = found.score as Fields;
  const field = (["value", "success", "failed_reason", "result"] as const).find(
    (name) => canonicalText(expected![name]) !== canonicalText(score[name]),
  )!;
  const difference = new Difference(
    round.place,
    `scores[${i}].score.${field} of ${String(found.model_id)}`,
    expected![field],
    score[field],
  );
  const isMissing =
    Object.hasOwn(expected!.result as object, "missing") && !expected!.success && score.success === false;
  if (!isMissing || read.doubts.length === MOST_DOUBTS) throw difference;
  read.doubts.push({ from: round.from, to: round.from + round.scores.length, difference });
}
