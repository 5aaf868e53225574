import { predictionsOf } from "../../db/predictions.ts";
import { listRounds, roundById } from "../../db/rounds.ts";
import { scoresOf } from "../../db/scores.ts";
import { truthRow } from "../../db/truths.ts";
import { isEnsembleModel } from "../../domain/ensembles.ts";
import { flagParameter, strictQuery, toIso } from "../contract/common.ts";
import { roundList, roundParameters, roundsQuery, roundView } from "../contract/rounds.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";
import { roundOf, roundPredictionOf } from "../round-view.ts";

/** Before a round is resolved, its outputs would tell a model what the others think. */
const OPEN = ["COLLECTING", "WAITING"];

/** Rounds and everything that belongs to one. Ids hold slashes: percent-encode them. */
export function roundRoutes(app: App, { db }: ApiDeps): void {
  const tags = ["rounds"];
  app.get(
    "/v1/rounds",
    {
      config: { tier: "read", errors: [400] },
      schema: {
        operationId: "listRounds",
        tags,
        summary: "Newest first",
        querystring: roundsQuery,
        response: { 200: roundList },
      },
    },
    async ({ query }) => {
      const filter = {
        status: query.status,
        scopeKey: query.scope_key,
        since: query.since,
        until: query.until,
        limit: query.limit,
      };
      return { data: (await listRounds(db, filter)).map(roundOf), next_cursor: null };
    },
  );
  app.get(
    "/v1/rounds/:id",
    {
      config: { tier: "read", errors: [400, 404] },
      schema: {
        operationId: "getRound",
        tags,
        summary: "One round: its predictions, truth and scores",
        params: roundParameters,
        querystring: strictQuery({ include_ensembles: flagParameter }),
        response: { 200: roundView },
      },
    },
    async ({ params, query, trusted, operator }) => {
      const round = await roundById(db, params.id);
      if (!round) throw notFound(`no round ${params.id}`);
      const [predictions, scores, truth] = await Promise.all([
        predictionsOf(db, round),
        scoresOf(db, round),
        truthRow(db, round.id),
      ]);
      const scoreOf = new Map(scores.map((score) => [score.model_id, score]));
      const sight = { outputs: trusted || !OPEN.includes(round.status), reasons: operator };
      return {
        ...roundOf(round),
        scope: round.scope_jsonb,
        deadline_at: toIso(round.deadline_at),
        give_up_at: toIso(round.give_up_at),
        contract_hash: round.contract_hash,
        input_id: round.input_id,
        callees: round.callees_jsonb,
        void_id: round.void_id,
        tournament_id: round.tournament_id,
        truth: truth
          ? { result: truth.result_jsonb, evidence: truth.evidence_jsonb, resolved_at: toIso(truth.resolved_at) }
          : null,
        predictions: predictions
          .filter((p) => query.include_ensembles || !isEnsembleModel(p.model_id))
          .map((p) => roundPredictionOf(p, scoreOf.get(p.model_id), sight)),
      };
    },
  );
}
