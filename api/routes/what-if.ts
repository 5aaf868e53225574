import { checkpointById, latestCheckpoint } from "../../db/checkpoints.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import { strictQuery } from "../contract/common.ts";
import { whatIfAnswer, whatIfBody } from "../contract/what-if.ts";
import type { ApiDeps, App } from "../deps.ts";
import { ApiError, notFound } from "../problem.ts";
import { whatIfOpen, whatIfSealed } from "../what-if.ts";

const tags = ["checkpoints"];
const config = { tier: "read", errors: [400, 404, 409] } as const;
const BODY_LIMIT_BYTES = 262_144;
const schema = { tags, querystring: strictQuery({}), body: whatIfBody, response: { 200: whatIfAnswer } };

/** Emissions as they would be by other rules; nothing is stored. One at a time: each may read a week of snapshots. */
export function whatIfRoutes(app: App, deps: ApiDeps): void {
  let busy = false;
  const alone = async <T>(compute: () => Promise<T>): Promise<T> => {
    if (busy) throw new ApiError(503, "busy", "another what-if is being computed: ask again in a moment");
    busy = true;
    try {
      return await compute();
    } finally {
      busy = false;
    }
  };
  app.post(
    "/v1/checkpoints/:id/what-if",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        ...schema,
        operationId: "whatIfCheckpoint",
        summary: "Who would gain what by other tiers, weights, models or a part of the period. Stores nothing",
        params: checkpointId,
      },
    },
    async ({ params: { id }, body }) => {
      const row = id === "latest" ? await latestCheckpoint(deps.db) : await checkpointById(deps.db, id);
      if (!row) throw notFound(id === "latest" ? "no checkpoint yet" : `no checkpoint ${id}`);
      return alone(() => whatIfSealed(deps, row, body));
    },
  );
  app.post(
    "/v1/what-if",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        ...schema,
        operationId: "whatIfOpenPeriod",
        summary: "The same for a time that is not sealed yet, as it would be sealed now. Stores nothing",
      },
    },
    ({ body }) => alone(() => whatIfOpen(deps, body)),
  );
}
