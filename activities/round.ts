import { asyncLocalStorage, Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Scope } from "../competitions/competition.ts";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Scorer } from "../competitions/scorer.ts";
import type { Database } from "../db/database.ts";
import { type ScorableRow, scorablePredictionsOf, settlePending } from "../db/predictions.ts";
import { moveRound, type RoundRow, roundById, roundsById } from "../db/rounds.ts";
import { factsOfRounds } from "../db/score-facts.ts";
import { isOfTheData, type ScoredRound, storeScores } from "../db/scores.ts";
import { type NewTruth, resolveRounds } from "../db/truths.ts";
import type { RoundInput } from "../domain/round.ts";
import type { RoundFacts } from "../proofs/from-rows.ts";
import type { Collector, CollectResult } from "./collect.ts";
import { gathered } from "./gathered.ts";
import type { Market } from "./market.ts";
import { leavesOfRound } from "./score-leaf.ts";
import { scorePredictions } from "./scorer.ts";
import { resolutionOf, type TruthSource } from "./truth.ts";
import type { GapVoid } from "./voids.ts";

/** On the queue of the predict role, where the models are connected. */
export const createCollectActivities = ({ collector }: { collector: Collector }) => ({
  collect: ({ roundId }: RoundInput): Promise<CollectResult> =>
    collector.collect(roundId, Context.current().cancellationSignal),
});
export type CollectActivities = ReturnType<typeof createCollectActivities>;

export interface ScoreDeps {
  db: Database;
  market: Market;
  /** the contract's other truth sources */
  truthSources?: readonly TruthSource[];
  competition: LoadedCompetition;
  scorer: Scorer;
  /** absent: no round is void because of the feed */
  voidOnGap?: GapVoid;
  now?: () => number;
  /** a round reached its last status */
  onEnded?: (status: string) => void;
}

/** How long to wait before asking again for a truth that is not there. */
const TRUTH_RETRY = "1s";

/** What one statement takes on, for rounds that come due together (a catch-up, many scopes): a round that comes alone does not wait. */
const MOST_ROUNDS = 20;
const MOST_SCORES = 1_000;
/** One batch is made while the other is stored. */
const LANES = 2;

/** On the queue of the score role. */
export function createScoreActivities({
  db,
  market,
  truthSources = [],
  competition: { competition },
  scorer,
  voidOnGap,
  now = Date.now,
  onEnded,
}: ScoreDeps) {
  const roundRow = gathered<string, RoundRow | undefined>({ most: MOST_ROUNDS }, (ids) => roundsById(db, ids));
  const mustHave = async (roundId: string): Promise<RoundRow> => {
    const round = await roundRow(roundId);
    if (!round) throw ApplicationFailure.nonRetryable(`no row for ${roundId}`, "UnknownRound");
    return round;
  };
  const storeTruth = gathered<NewTruth, void>({ most: MOST_ROUNDS, isOfOne: isOfTheData }, async (truths) => {
    await resolveRounds(db, truths);
    return truths.map(() => undefined);
  });
  const scorable = gathered<RoundRow, Scorable>({ lanes: LANES, most: MOST_ROUNDS }, (rounds) =>
    scorableOf(db, rounds),
  );
  const store = gathered<ScoredRound, boolean>(
    { lanes: LANES, most: MOST_SCORES, weight: ({ scores }) => scores.length, isOfOne: isOfTheData },
    async (rounds) => {
      const stored = await storeScores(db, rounds);
      return rounds.map(({ round }) => stored.has(round.id));
    },
  );
  return {
    /** Stores what reality answered; returns the round's status. Retries by itself until the round's give-up time. */
    async resolveTruth(roundId: string): Promise<string> {
      const round = await mustHave(roundId);
      if (round.status !== "WAITING") return round.status;
      if (await voidOnGap?.(round)) return "VOIDED";
      const resolution = await resolutionOf({ competition, market, others: truthSources, now }, round);
      if ("unresolvable" in resolution) return giveUp(db, round, resolution.unresolvable);
      if ("wait" in resolution) {
        if (now() >= round.give_up_at.getTime()) return giveUp(db, round, resolution.wait);
        throw ApplicationFailure.create({
          type: "TruthNotReady",
          message: resolution.wait,
          nextRetryDelay: TRUTH_RETRY,
        });
      }
      const truth = competition.truth.safeParse(resolution.resolved);
      if (!truth.success) return giveUp(db, round, `the resolver's answer is refused: ${truth.error.message}`);
      await storeTruth({ roundId, result: truth.data, evidence: resolution.evidence });
      return "RESOLVED";
    },

    /** Scores every prediction of a resolved round; returns the round's status. */
    async scoreRound(roundId: string): Promise<string> {
      const round = await mustHave(roundId);
      if (round.status !== "RESOLVED") return round.status;
      const { facts, predictions } = await scorable(round);
      if (!facts) throw ApplicationFailure.nonRetryable(`${roundId} is RESOLVED and has no truth`, "MissingTruth");
      const asked = { truth: facts.truth, scope: round.scope_jsonb as Scope };
      const scores = await scorePredictions({ competition, scorer }, predictions, asked, cancellation());
      const stored = await store({ round, scores, leaf: leavesOfRound(facts, predictions) });
      const status = stored ? "SCORED" : (await mustHave(roundId)).status;
      onEnded?.(status);
      return status;
    },
  };
}
export type ScoreActivities = ReturnType<typeof createScoreActivities>;

/** A score activity that timed out ends its batch; outside of an activity (benchmarks, replays) nothing does. */
const cancellation = (): AbortSignal | undefined => asyncLocalStorage.getStore()?.cancellationSignal;

interface Scorable {
  /** absent: it has no truth */
  facts: RoundFacts | undefined;
  predictions: readonly ScorableRow[];
}

async function scorableOf(db: Database, rounds: readonly RoundRow[]): Promise<Scorable[]> {
  const ids = rounds.map((round) => round.id);
  const once = new Map(rounds.map((round) => [round.id, round])); // a second attempt may ask while the first is under way
  const [facts, predictions] = await Promise.all([
    factsOfRounds(db, ids),
    scorablePredictionsOf(db, [...once.values()]),
  ]);
  return rounds.map((round, i) => ({ facts: facts[i], predictions: predictions.get(round.id) ?? [] }));
}

async function giveUp(db: Database, round: RoundRow, reason: string): Promise<string> {
  await db.transaction().execute(async (tx) => {
    if (await moveRound(tx, round.id, "WAITING", "UNRESOLVABLE", { reason }))
      await settlePending(tx, round, "UNRESOLVABLE", reason);
  });
  return (await roundById(db, round.id))?.status ?? "UNRESOLVABLE";
}
