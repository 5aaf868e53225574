import { checkpointById, latestCheckpoint } from "../../db/checkpoints.ts";
import { batchesOf } from "../../db/payouts.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import { strictQuery } from "../contract/common.ts";
import { payoutList } from "../contract/payouts.ts";
import type { ApiDeps, App } from "../deps.ts";
import { payoutListOf } from "../payout-view.ts";
import { notFound } from "../problem.ts";

/** Who was paid how much in which transaction. `latest` stands for the newest checkpoint. */
export function payoutRoutes(app: App, { db }: ApiDeps): void {
  app.get(
    "/v1/checkpoints/:id/payouts",
    {
      config: { tier: "public", errors: [400, 404] } as const,
      schema: {
        operationId: "listCheckpointPayouts",
        tags: ["checkpoints"],
        summary: "Payout batches: recipients, amounts, markers and transactions",
        params: checkpointId,
        querystring: strictQuery({}),
        response: { 200: payoutList },
      },
    },
    async ({ params: { id } }) => {
      const row = id === "latest" ? await latestCheckpoint(db) : await checkpointById(db, id);
      if (!row) throw notFound(id === "latest" ? "no checkpoint yet" : `no checkpoint ${id}`);
      return payoutListOf(await batchesOf(db, row.id));
    },
  );
}
