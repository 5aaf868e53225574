import { z } from "zod";
import { checkpointById, latestCheckpoint, listCheckpoints, transitionsOf } from "../../db/checkpoints.ts";
import { decisionsOf } from "../../db/decisions.ts";
import { etagOf } from "../checkpoint-decide.ts";
import { checkpointViewOf, listedCheckpointOf } from "../checkpoint-view.ts";
import {
  checkpointId,
  checkpointList,
  checkpointListQuery,
  checkpointView,
  transitionList,
} from "../contract/checkpoints.ts";
import { strictQuery, toIso } from "../contract/common.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";

const tags = ["checkpoints"];
const config = { tier: "public", errors: [400, 404] } as const;
const querystring = strictQuery({});
const NOT_MODIFIED = 304;

/** Checkpoints with recipients, phase and log. `latest` stands for the newest. */
export function checkpointV1Routes(app: App, { db, settings }: ApiDeps): void {
  const found = async (id: string) => {
    const row = id === "latest" ? await latestCheckpoint(db) : await checkpointById(db, id);
    if (row) return row;
    throw notFound(
      id === "latest" ? "no checkpoint yet: the first one is sealed when its period has ended" : `no checkpoint ${id}`,
    );
  };
  app.get(
    "/v1/checkpoints",
    {
      config,
      schema: {
        operationId: "listCheckpointsV1",
        tags,
        summary: "Newest first, also those that are void",
        querystring: checkpointListQuery,
        response: { 200: checkpointList },
      },
    },
    async ({ query: { status, limit, cursor } }) => {
      const before = cursor === undefined ? undefined : (await found(cursor)).period_end;
      const rows = await listCheckpoints(db, { status, limit, before, withVoid: true });
      return { data: rows.map(listedCheckpointOf), next_cursor: rows.length === limit ? rows.at(-1)!.id : null };
    },
  );
  app.get(
    "/v1/checkpoints/:id",
    {
      config,
      schema: {
        operationId: "getCheckpointV1",
        tags,
        summary: "Phase, recipients and shares",
        params: checkpointId,
        querystring,
        response: { 200: checkpointView, 304: z.null() },
      },
    },
    async ({ params, headers }, reply) => {
      const row = await found(params.id);
      void reply.header("etag", etagOf(row)).header("cache-control", "no-cache");
      if (headers["if-none-match"] === etagOf(row)) return reply.code(NOT_MODIFIED).send(null);
      const approvals = (await decisionsOf(db, row.id)).filter(({ action }) => action === "approve");
      return checkpointViewOf(settings.competition, row, approvals);
    },
  );
  app.get(
    "/v1/checkpoints/:id/transitions",
    {
      config,
      schema: {
        operationId: "listCheckpointTransitions",
        tags,
        summary: "Every step it took, oldest first",
        params: checkpointId,
        querystring,
        response: { 200: transitionList },
      },
    },
    async ({ params }) => {
      const rows = await transitionsOf(db, (await found(params.id)).id);
      return {
        data: rows.map(({ id: _id, checkpoint_id: _checkpoint, at, ...step }) => ({ at: toIso(at), ...step })),
        next_cursor: null,
      };
    },
  );
}
