import { checkpointById, latestCheckpoint, transitionsOf } from "../../db/checkpoints.ts";
import { checkpointViewOf } from "../checkpoint-view.ts";
import { checkpointId, checkpointView, transitionList } from "../contract/checkpoints.ts";
import { strictQuery, toIso } from "../contract/common.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";

const tags = ["checkpoints"];
const config = { tier: "public", errors: [400, 404] } as const;
const querystring = strictQuery({});

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
    "/v1/checkpoints/:id",
    {
      config,
      schema: {
        operationId: "getCheckpointV1",
        tags,
        summary: "Phase, recipients and shares",
        params: checkpointId,
        querystring,
        response: { 200: checkpointView },
      },
    },
    async ({ params }) => checkpointViewOf(settings.competition, await found(params.id)),
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
