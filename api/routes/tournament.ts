import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  createTournament,
  featuresToScore,
  type TournamentRow,
  tournamentById,
  tournamentCounts,
} from "../../db/tournament.ts";
import { featureScores, postTruths } from "../../db/tournament-truths.ts";
import { publicTournamentStatus } from "../../domain/tournament.ts";
import { canonicalText } from "../../proofs/canonical.ts";
import {
  inferenceAnswer,
  inferenceBody,
  scoreAnswer,
  scoreBody,
  tournamentParameters,
  tournamentStatus,
} from "../contract/tournament.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict, notFound } from "../problem.ts";
import { readFeatures, readTruths } from "../tournament-body.ts";

/** Features and truths come in one body. */
const BODY_LIMIT_BYTES = 16 * 1_048_576;
const DEADLINE_MS = 600_000;
/** An answer waits this long for the work to be done; then it says how far it is (202), and the same body may be sent again. */
const PATIENCE_MS = 20_000;
const POLL_MS = 100;

const tags = ["tournament"];
const ACCEPTED = 202;
const sha256 = (value: unknown): string => createHash("sha256").update(canonicalText(value)).digest("hex");

/** Tournament rounds as the public node's scaffold has them; ours are rows first, so that no restart loses one, and writes want the key. */
export function tournamentRoutes(app: App, deps: ApiDeps): void {
  const {
    db,
    competition: { competition, contractHash, contractBody },
  } = deps;
  const now = deps.now ?? Date.now;
  const crunch = deps.settings.competition;

  app.post(
    "/tournament/rounds/:id/inference",
    {
      config: { tier: "write", errors: [409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "inferTournamentRound",
        tags,
        summary: "Ask every model about every feature; the same body again gives the same answer (202: not done yet)",
        params: tournamentParameters,
        body: inferenceBody,
        response: { 200: inferenceAnswer, 202: inferenceAnswer },
      },
    },
    async ({ params, body }, reply) => {
      const rule = competition.tournament;
      if (!rule) throw conflict("this competition has no tournament rounds: its contract must say `tournament`");
      const features = readFeatures(competition, params.id, body.features);
      const featuresHash = sha256(features);
      const createdMs = now();
      const { row } = await createTournament(db, {
        ...{ id: params.id, competition: crunch, featuresHash, createdMs },
        features: features.map((data) => ({ data, hash: sha256(data) })),
        contract: { hash: contractHash, body: contractBody },
        deadlineMs: createdMs + (rule.deadlineMs ?? DEADLINE_MS),
      });
      if (row.features_hash !== featuresHash)
        throw conflict(`the tournament round ${params.id} was posted with other features: choose another id`);
      const done = await settled(params.id, (t) => t.status !== "OPEN" && t.status !== "INFERRING");
      const { model_count, prediction_count, status } = await standing(params.id, done);
      reply.code(status === "inferring" ? ACCEPTED : 200);
      return { round_id: params.id, model_count, prediction_count, status };
    },
  );

  app.post(
    "/tournament/rounds/:id/score",
    {
      config: { tier: "write", errors: [404, 409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "scoreTournamentRound",
        tags,
        summary: "Post the truth of all or some features; they are scored by feature_index (202: not done yet)",
        params: tournamentParameters,
        body: scoreBody,
        response: { 200: scoreAnswer, 202: scoreAnswer },
      },
    },
    async ({ params, body }, reply) => {
      const row = await tournamentById(db, params.id);
      if (!row) throw notFound(`no tournament round ${params.id}`);
      if (row.status === "OPEN" || row.status === "INFERRING")
        throw conflict(
          `the models are still being asked about ${params.id}: post the truth when its status is inference_complete`,
        );
      const truths = readTruths(competition, row.feature_count, body.ground_truth);
      const { conflicts } = await postTruths(db, crunch, row, truths);
      if (conflicts.length > 0)
        throw conflict(
          `another truth was posted before for feature ${conflicts.join(", ")}; nothing of this body was taken`,
        );
      const indices = truths.map((t) => t.index);
      const done = await until(async () => (await featuresToScore(db, params.id)).length === 0);
      const results = await featureScores(db, params.id, indices);
      const { status } = await standing(params.id, (await tournamentById(db, params.id))!);
      reply.code(done ? 200 : ACCEPTED);
      return { round_id: params.id, scores_count: results.length, results, status };
    },
  );

  app.get(
    "/tournament/rounds/:id/status",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "getTournamentRoundStatus",
        tags,
        summary: "How far a tournament round is; an unknown one is not_found",
        params: tournamentParameters,
        response: { 200: tournamentStatus },
      },
    },
    async ({ params }) => {
      const row = await tournamentById(db, params.id);
      if (row) return standing(params.id, row);
      const none = { feature_count: 0, model_count: 0, prediction_count: 0, truth_count: 0, scores_count: 0 };
      return { round_id: params.id, ...none, status: "not_found" as const };
    },
  );

  async function standing(id: string, row: TournamentRow) {
    const { model_count, prediction_count, truth_count, scores_count, open_count } = await tournamentCounts(db, row);
    const status = publicTournamentStatus(row.status, { truths: truth_count, open: open_count });
    return {
      round_id: id,
      feature_count: row.feature_count,
      model_count,
      prediction_count,
      truth_count,
      scores_count,
      status,
    };
  }

  async function settled(id: string, holds: (row: TournamentRow) => boolean): Promise<TournamentRow> {
    await until(async () => holds((await tournamentById(db, id))!));
    return (await tournamentById(db, id))!;
  }
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() >= end) return false;
    await delay(POLL_MS);
  }
  return true;
}
