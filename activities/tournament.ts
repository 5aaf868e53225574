import { setTimeout as delay } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { Logger } from "pino";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Database } from "../db/database.ts";
import { provisionalModels, runningModels } from "../db/deployments.ts";
import { storeCollected } from "../db/predictions.ts";
import {
  type FeatureRow,
  featuresOf,
  featuresToScore,
  firstOpenFeature,
  moveTournament,
  type TournamentRow,
  tournamentById,
  tournamentCounts,
} from "../db/tournament.ts";
import { tournamentWorkflowId } from "../domain/ids.ts";
import type { TournamentStatus } from "../domain/tournament.ts";
import type { FleetClient } from "../models/client/fleet-client.ts";
import { featureCall } from "./calls.ts";
import { jobOf } from "./collect.ts";
import { storeMissed } from "./missed.ts";
import { newcomerRule } from "./newcomers.ts";
import { countOf, judgeAll, rowOf } from "./verdicts.ts";

export interface InferDeps {
  db: Database;
  fleet: FleetClient;
  competition: LoadedCompetition;
  /** the competition's id in business keys */
  crunchId: string;
  timeoutMs: number;
  log: Logger;
  /** settles when the models of a just started process are connected */
  met: Promise<unknown>;
}

/** Features that go to the models together. A call that hangs costs its model what comes after it in the group. */
const GROUP = 8;
/** A process that was killed for hanging gets this long to come back. */
const RECOVER_MS = 1_000;
const ASK_AGAIN = "2s";

/** On the queue of the predict role. */
export const createInferActivities = (deps: InferDeps) => ({
  /** Asks every connected model about every feature, a group after the other; a second run goes on where the first was stopped. */
  async inferTournament(id: string): Promise<TournamentStatus> {
    const { db } = deps;
    const signal = Context.current().cancellationSignal;
    const tournament = await mustHave(db, id);
    await deps.met;
    await moveTournament(db, id, "OPEN", "INFERRING");
    for (;;) {
      signal.throwIfAborted();
      const open = await firstOpenFeature(db, tournament);
      if (open === null) break;
      await inferGroup(deps, tournament, open - (open % GROUP), signal);
    }
    await moveTournament(db, id, "INFERRING", "CLOSED");
    return (await mustHave(db, id)).status;
  },
});
export type InferActivities = ReturnType<typeof createInferActivities>;

async function mustHave(db: Database, id: string): Promise<TournamentRow> {
  const row = await tournamentById(db, id);
  if (!row) throw ApplicationFailure.nonRetryable(`no row for the tournament round ${id}`, "UnknownTournament");
  return row;
}

/** Groups begin at fixed places, so that asking again asks the same under the same id, and our runner repeats its answers. */
async function inferGroup(
  deps: InferDeps,
  tournament: TournamentRow,
  from: number,
  signal: AbortSignal,
): Promise<void> {
  const {
    db,
    fleet,
    competition: { competition },
  } = deps;
  const group = await featuresOf(db, tournament, from, from + GROUP);
  const leftMs = tournament.deadline_at.getTime() - Date.now();
  if (leftMs <= 0) return missAll(db, group);
  if (!fleet.models().some((m) => m.state === "CONNECTED" || m.state === "COOLDOWN"))
    throw ApplicationFailure.create({ type: "NoModels", message: "no model is connected", nextRetryDelay: ASK_AGAIN });
  const answers = await fleet.callAll({
    calls: group.map(({ index, features }) =>
      featureCall(competition, { tournamentId: tournament.id, index, features }),
    ),
    roundId: `${tournamentWorkflowId(deps.crunchId, tournament.id)}/${from}`,
    deadlineMs: Math.min(deps.timeoutMs, leftMs),
    signal,
  });
  signal.throwIfAborted();
  const models = await runningModels(db);
  const provisional = new Set(await provisionalModels(db, newcomerRule(competition)));
  let late = false;
  for (const [place, feature] of group.entries()) {
    const own = new Map([...answers].map(([modelId, results]) => [modelId, results[place]]));
    late ||= [...own.values()].some((result) => result?.status === "TIMEOUT");
    const verdicts = await judgeAll(deps.competition, jobOf(feature.round), own, models);
    await storeFeature(deps, feature, verdicts, provisional);
  }
  deps.log.info(
    { tournament: tournament.id, features: `${from}+${group.length}`, models: answers.size },
    "features asked",
  );
  if (late) await delay(RECOVER_MS, undefined, { signal });
}

async function storeFeature(
  { db }: InferDeps,
  { round, features, hash }: FeatureRow,
  verdicts: Awaited<ReturnType<typeof judgeAll>>,
  provisional: ReadonlySet<string>,
): Promise<void> {
  if (round.status !== "COLLECTING") return;
  await storeCollected(db, {
    ...jobOf(round),
    configId: `CFG_${round.scope_key}`,
    input: { data: features, hash },
    performedAtMs: Date.now(),
    predictions: [...verdicts].map(([modelId, v]) => rowOf(round.id, modelId, v, provisional.has(modelId))),
    counts: countOf(verdicts),
  });
}

async function missAll(db: Database, group: readonly FeatureRow[]): Promise<void> {
  for (const { round } of group)
    if (round.status === "COLLECTING")
      await storeMissed(db, jobOf(round), "the tournament round's deadline had passed");
}

export interface ScoreTournamentDeps {
  db: Database;
  /** the activity of any round */
  scoreRound: (roundId: string) => Promise<string>;
}

/** On the queue of the score role. */
export const createScoreTournamentActivities = ({ db, scoreRound }: ScoreTournamentDeps) => ({
  /** Scores every feature whose truth was posted. SCORED when none is left that could change. */
  async scoreTournament(id: string): Promise<TournamentStatus> {
    for (const roundId of await featuresToScore(db, id)) await scoreRound(roundId);
    const { open_count } = await tournamentCounts(db, await mustHave(db, id));
    if (open_count === 0) await moveTournament(db, id, "CLOSED", "SCORED");
    return (await mustHave(db, id)).status;
  },

  /** Retries by itself until a scoring window has counted every score; then the round is FINAL. */
  async finishTournament(id: string): Promise<TournamentStatus> {
    const { uncounted } = await tournamentCounts(db, await mustHave(db, id));
    if (uncounted > 0)
      throw ApplicationFailure.create({
        type: "NotCounted",
        message: `${uncounted} scores wait for their scoring window`,
        nextRetryDelay: ASK_AGAIN,
      });
    await moveTournament(db, id, "SCORED", "FINAL");
    return (await mustHave(db, id)).status;
  },
});
export type ScoreTournamentActivities = ReturnType<typeof createScoreTournamentActivities>;
