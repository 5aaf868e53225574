import { z } from "zod";
import { checkpointById, type ListedCheckpoint, latestCheckpoint, listCheckpoints } from "../../db/checkpoints.ts";
import { cliFormat, prizesOf, rewardRows } from "../../domain/checkpoint-reports.ts";
import { peerCliFormat, peerPrizes, peerRewards } from "../../domain/compat/checkpoints.ts";
import { asPeerCheckpoint, paidOf, reportedOf } from "../checkpoint-report.ts";
import {
  cliFormatFile,
  latestPrizes,
  prizeList,
  prizesQuery,
  rewardRow,
  rewardsQuery,
} from "../contract/checkpoint-reports.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";
import { checkpointRowOf } from "./checkpoints.ts";

const tags = ["checkpoints"];
const config = { tier: "public", errors: [404, 409, 422] } as const;

/** What a checkpoint pays, in the forms that the public node's dashboards and command line read. */
export function checkpointReportRoutes(app: App, { db, competition }: ApiDeps): void {
  const asPeer = competition.competition.compat !== undefined;
  const found = async (id: string): Promise<ListedCheckpoint> => {
    const row = await checkpointById(db, id);
    if (!row || row.status === "VOID") throw notFound(`no checkpoint ${id}`);
    return row;
  };
  const prizes = (row: ListedCheckpoint, total: number) => {
    const paid = paidOf(row);
    return asPeer ? peerPrizes(asPeerCheckpoint(row, paid), total) : prizesOf(paid, total);
  };

  app.get(
    "/reports/checkpoints/rewards",
    {
      config: { tier: "public", errors: [422] },
      schema: {
        operationId: "listCheckpointRewards",
        tags,
        summary: "What each ranked model got, newest checkpoint first",
        querystring: rewardsQuery,
        response: { 200: z.array(rewardRow) },
      },
    },
    async ({ query: { model_id, limit } }) => {
      const rows = await listCheckpoints(db, { limit });
      const all = rows.flatMap((row): z.infer<typeof rewardRow>[] => {
        const reported = reportedOf(row);
        if (!asPeer) return rewardRows(reported);
        return z.array(rewardRow).parse(peerRewards(asPeerCheckpoint(row, reported)));
      });
      return model_id === undefined ? all : all.filter((row) => row.model_id === model_id);
    },
  );
  app.get(
    "/reports/checkpoints/latest/prizes",
    {
      config,
      schema: {
        operationId: "getLatestCheckpointPrizes",
        tags,
        summary: "total_prize over the models of the newest checkpoint, exact to the unit",
        querystring: prizesQuery,
        response: { 200: latestPrizes },
      },
    },
    async ({ query: { total_prize = 0 } }) => {
      const row = await latestCheckpoint(db);
      if (!row) throw notFound("no checkpoint yet: the first one is sealed when its period has ended");
      const { id, status, period_start, period_end } = checkpointRowOf(row);
      return { checkpoint_id: id, status, period_start, period_end, total_prize, prizes: prizes(row, total_prize) };
    },
  );
  app.get(
    "/reports/checkpoints/:id/prizes",
    {
      config,
      schema: {
        operationId: "getCheckpointPrizes",
        tags,
        summary: "total_prize over the models, exact to the unit",
        params: checkpointId,
        querystring: prizesQuery,
        response: { 200: prizeList },
      },
    },
    async ({ params, query: { total_prize = 0 } }) => prizes(await found(params.id), total_prize),
  );
  app.get(
    "/reports/checkpoints/:id/emission/cli-format",
    {
      config,
      schema: {
        operationId: "getCheckpointCliFormat",
        tags,
        summary: "The emission as `crunch emission-checkpoint-add` reads it",
        params: checkpointId,
        response: { 200: cliFormatFile },
      },
    },
    async ({ params }) => {
      const row = await found(params.id);
      const paid = paidOf(row);
      if (!asPeer) return cliFormat(paid.emission, paid.recipients);
      const { crunch, ...shares } = peerCliFormat(asPeerCheckpoint(row, paid));
      const objects = Object.entries(shares).map(([name, byKey]) => [name, Object.fromEntries(byKey)]);
      return cliFormatFile.parse({ crunch, ...Object.fromEntries(objects) });
    },
  );
}
