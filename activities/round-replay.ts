import { createHash } from "node:crypto";
import type { LoadedCompetition } from "../competitions/load.ts";
import { firstRecordFrom } from "../db/backfill-records.ts";
import type { Database } from "../db/database.ts";
import { inputById } from "../db/inputs.ts";
import { type RoundRow, roundById } from "../db/rounds.ts";
import { truthRow } from "../db/truths.ts";
import { type Difference, firstDifference } from "../domain/difference.ts";
import { canonicalText } from "../proofs/canonical.ts";
import { asJson } from "./as-json.ts";
import { inputFor } from "./calls.ts";
import type { Market } from "./market.ts";
import { differs, equal, judged, orThrown, type Part, skipped } from "./replay-part.ts";
import { replayScores } from "./score-replay.ts";
import { resolutionOf, type TruthSource } from "./truth.ts";

export interface ReplayDeps {
  db: Database;
  /** what the feed's records said, as they were known at an instant; null: as they are known now */
  marketAt: (knownAt: Date | null) => { market: Market; others: readonly TruthSource[] };
  competition: LoadedCompetition;
}

export interface RoundReplay {
  round_id: string;
  status: string;
  contract: { recorded: string; present: string; same: boolean };
  parts: Part[];
  /** nothing that could be compared differs */
  equal: boolean;
}

/**
 * Makes a round again from what is stored of it: its input from the feed's records as of the due time, its truth from theirs, its scores from
 * outputs and truth; and compares each with what was stored then. Reads only. Null: there is no such round.
 */
export async function replayRound(deps: ReplayDeps, roundId: string): Promise<RoundReplay | null> {
  const round = await roundById(deps.db, roundId);
  if (!round) return null;
  const { contractHash } = deps.competition;
  const same = round.contract_hash === contractHash;
  const parts = [
    ...(await replayInput(deps, round)),
    await orThrown("truth", replayTruth(deps, round)),
    await orThrown("scores", replayScores(deps, round)),
  ];
  return {
    round_id: round.id,
    status: round.status,
    contract: { recorded: round.contract_hash, present: contractHash, same },
    parts,
    equal: !parts.some((p) => p.verdict === "differs"),
  };
}

const foreignContract = ({ competition }: ReplayDeps, round: RoundRow): string | null =>
  round.contract_hash === competition.contractHash ? null : "the round began under another contract";

async function replayInput(deps: ReplayDeps, round: RoundRow): Promise<Part[]> {
  if (round.input_id === null) {
    const note = `the round is ${round.status} and has no input`;
    return [skipped("input hash", note), skipped("input", note)];
  }
  const input = await inputById(deps.db, round.input_id);
  if (!input) return [skipped("input hash", "the input is not stored any more"), skipped("input", "the same")];
  const hash = createHash("sha256").update(canonicalText(input.raw_data_jsonb)).digest("hex");
  const off = firstDifference(input.hash, hash, "hash");
  return [
    off ? differs("input hash", off, "of the stored input") : equal("input hash", hash),
    await orThrown("input", rebuiltInput(deps, round, input.raw_data_jsonb)),
  ];
}

/** Models were shown what was known between the round's row and its answers: records that came later may not count. */
async function rebuiltInput(deps: ReplayDeps, round: RoundRow, stored: unknown): Promise<Part> {
  if (round.tournament_id !== null) return skipped("input", "features of a tournament are posted, not made");
  const { competition } = deps.competition;
  const subject = String(round.scope_jsonb.subject);
  const dueMs = round.due_at.getTime();
  const tries = [round.collected_at, round.created_at, null];
  const found: { records: number; firstMs: number; difference: Difference | null }[] = [];
  for (const knownAt of tries) {
    const records = await deps.marketAt(knownAt).market.windowAt(subject, dueMs);
    if (records.length === 0) continue;
    const made = asJson(await inputFor(competition, subject, dueMs, records));
    const difference = firstDifference(stored, made);
    if (difference === null) return equal("input", `from ${records.length} records`);
    found.push({ records: records.length, firstMs: records[0]!.tsEvent, difference });
  }
  const first = found[0];
  if (!first) return skipped("input", `no record of ${subject} from before the due time is stored`);
  const dimension = deps.marketAt(null).market.dimension(subject);
  const beginMs = await firstRecordFrom(deps.db, dimension, { fromMs: 0, untilMs: dueMs });
  if (beginMs === first.firstMs)
    return skipped("input", `the stored records of ${subject} begin inside its window: older ones may be gone`);
  return judged("input", first.difference!, `from ${first.records} records`, foreignContract(deps, round));
}

async function replayTruth(deps: ReplayDeps, round: RoundRow): Promise<Part> {
  if (round.tournament_id !== null) return skipped("truth", "truths of a tournament are posted, not looked up");
  const stored = await truthRow(deps.db, round.id);
  if (!stored && round.status !== "UNRESOLVABLE") return skipped("truth", `the round is ${round.status} and has none`);
  const at = stored?.resolved_at ?? round.finished_at!;
  const was = stored ? { result: stored.result_jsonb, evidence: stored.evidence_jsonb } : UNRESOLVED;
  const found: Difference[] = [];
  for (const knownAt of [at, null]) {
    const made = await truthAt(deps, round, at, knownAt);
    const difference = firstDifference(was, made);
    if (difference === null) return equal("truth", stored ? "result and evidence" : "unresolvable, as it was");
    if (made === UNRESOLVED && (await openingIsGone(deps, round)))
      return skipped("truth", "the records that it was made of are not stored any more");
    found.push(difference);
  }
  return judged("truth", found[0]!, "resolved again", foreignContract(deps, round));
}

const UNRESOLVED = { unresolvable: true };

/** What the resolver says at the instant at which the stored answer was given. */
async function truthAt(deps: ReplayDeps, round: RoundRow, at: Date, knownAt: Date | null): Promise<unknown> {
  const { competition } = deps.competition;
  const sources = deps.marketAt(knownAt);
  const resolution = await resolutionOf({ competition, ...sources, now: () => at.getTime() }, round);
  if (!("resolved" in resolution)) return UNRESOLVED;
  const parsed = competition.truth.safeParse(resolution.resolved);
  return parsed.success ? asJson({ result: parsed.data, evidence: resolution.evidence }) : UNRESOLVED;
}

async function openingIsGone(deps: ReplayDeps, round: RoundRow): Promise<boolean> {
  const { market } = deps.marketAt(null);
  const dimension = market.dimension(String(round.scope_jsonb.subject));
  const range = { fromMs: 0, untilMs: round.resolve_at.getTime() };
  const beginMs = await firstRecordFrom(deps.db, dimension, range);
  return beginMs === null || beginMs > round.due_at.getTime() - market.granularityMs;
}
