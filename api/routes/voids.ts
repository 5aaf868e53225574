import { listVoids, SealedRounds, type VoidRow, voidRounds } from "../../db/voids.ts";
import { limitParameter, strictQuery, toIso } from "../contract/common.ts";
import { voidBody, voidList, voidResult, type voidRow } from "../contract/voids.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict } from "../problem.ts";

/** Rounds that an operator, or the node itself, declared void. */
export function voidRoutes(app: App, { db }: ApiDeps): void {
  const tags = ["rounds"];
  app.get(
    "/v1/voids",
    {
      config: { tier: "read", errors: [400] },
      schema: {
        operationId: "listVoids",
        tags,
        summary: "Blocks of rounds that were declared void, newest first",
        querystring: strictQuery({ limit: limitParameter(100, 1_000) }),
        response: { 200: voidList },
      },
    },
    async ({ query }) => ({ data: (await listVoids(db, query.limit)).map(rowOf), next_cursor: null }),
  );
  app.post(
    "/v1/voids",
    {
      config: { tier: "write", errors: [400, 409] },
      schema: {
        operationId: "voidRounds",
        tags,
        summary:
          "Void every round of a span of due times as one block; refused where a checkpoint has sealed one of them",
        body: voidBody,
        response: { 200: voidResult },
      },
    },
    async ({ body }) => {
      const { from, to, scope_key, reason, actor } = body;
      const request = { fromMs: from.getTime(), toMs: to.getTime(), scopeKey: scope_key ?? null, reason, actor };
      const { id, ...counts } = await voidRounds(db, request).catch((error: unknown) => {
        throw error instanceof SealedRounds ? conflict(error.message) : error;
      });
      if (id === null)
        throw conflict("no round of that span can be voided: there is none, or all are VOIDED or MISSED");
      return { id, ...counts };
    },
  );
}

const rowOf = (row: VoidRow): ReturnType<typeof voidRow.parse> => ({
  id: row.id,
  actor: row.actor,
  reason: row.reason,
  scope_key: row.scope_key,
  from: toIso(row.from_at),
  to: toIso(row.to_at),
  rounds: row.counts_jsonb.rounds ?? 0,
  predictions: row.counts_jsonb.predictions ?? 0,
  scores: row.counts_jsonb.scores ?? 0,
  created_at: toIso(row.created_at),
});
