import type { z } from "zod";
import { askRetry, type DeadLetterRow, deadLetterById, excuse, listDeadLetters } from "../../db/dead-letters.ts";
import { toIso, toIsoOrNull } from "../contract/common.ts";
import {
  deadLetter,
  deadLetterList,
  deadLetterParameters,
  deadLettersQuery,
  excuseBody,
  retryBody,
} from "../contract/dead-letters.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict, notFound } from "../problem.ts";

/** Predictions that the scorer refused however often it was asked, and what an operator decides about them. */
export function deadLetterRoutes(app: App, { db }: ApiDeps): void {
  const tags = ["dead letters"];
  /** The changed row, or why it cannot be changed. */
  const changed = async (id: string, row: DeadLetterRow | undefined, from: string): Promise<DeadLetterRow> => {
    if (row) return row;
    const found = await deadLetterById(db, id);
    throw found ? conflict(`dead letter ${id} is ${found.status}, not ${from}`) : notFound(`no dead letter ${id}`);
  };
  app.get(
    "/v1/dead-letters",
    {
      config: { tier: "read", errors: [400] },
      schema: {
        operationId: "listDeadLetters",
        tags,
        summary: "Newest first",
        querystring: deadLettersQuery,
        response: { 200: deadLetterList },
      },
    },
    async ({ query, operator }) => {
      const { status, model_id: modelId, round_id: roundId, cursor: before, limit } = query;
      const rows = await listDeadLetters(db, { status, modelId, roundId, before, limit });
      const next = rows.length === limit ? rows.at(-1)!.id : null;
      return { data: rows.map((row) => letterOf(row, operator)), next_cursor: next };
    },
  );
  app.post(
    "/v1/dead-letters/:id/retry",
    {
      config: { tier: "write", errors: [400, 404, 409] },
      schema: {
        operationId: "retryDeadLetter",
        tags,
        summary: "Ask the present scorer again; its score is a correction of the next scoring window",
        params: deadLetterParameters,
        body: retryBody,
        response: { 200: deadLetter },
      },
    },
    async ({ params: { id }, body, operator }) => {
      const row = await askRetry(db, id, { actor: body.actor, reason: body.reason ?? null });
      return letterOf(await changed(id, row, "OPEN"), operator);
    },
  );
  app.post(
    "/v1/dead-letters/:id/excuse",
    {
      config: { tier: "write", errors: [400, 404, 409] },
      schema: {
        operationId: "excuseDeadLetter",
        tags,
        summary: "Leave the prediction out: it does not count against its model",
        params: deadLetterParameters,
        body: excuseBody,
        response: { 200: deadLetter },
      },
    },
    async ({ params: { id }, body, operator }) =>
      letterOf(await changed(id, await excuse(db, id, body), "OPEN or RETRYING"), operator),
  );
}

const letterOf = (row: DeadLetterRow, operator: boolean): z.infer<typeof deadLetter> => ({
  id: row.id,
  prediction_id: row.prediction_id,
  round_id: row.round_id,
  model_id: row.model_id,
  stage: row.stage,
  error: operator ? row.error : null,
  attempts: row.attempts,
  status: row.status,
  actor: row.actor,
  reason: row.reason,
  created_at: toIso(row.created_at),
  settled_at: toIsoOrNull(row.settled_at),
});
