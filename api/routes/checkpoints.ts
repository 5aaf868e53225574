import { z } from "zod";
import { checkpointById, type ListedCheckpoint, latestCheckpoint, listCheckpoints } from "../../db/checkpoints.ts";
import {
  checkpointId,
  checkpointPayload,
  checkpointRow,
  checkpointsQuery,
  emission,
  type LegacyStatus,
  latestEmission,
} from "../contract/checkpoints.ts";
import { toIso, toIsoOrNull } from "../contract/common.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict, notFound } from "../problem.ts";

const tags = ["checkpoints"];
const config = { tier: "public", errors: [404] } as const;
const NONE_YET = "no checkpoint yet: the first one is sealed when its period has ended";

/** Checkpoints as the public node shows them. */
export function checkpointRoutes(app: App, { db }: ApiDeps): void {
  const found = async (id: string): Promise<ListedCheckpoint> => {
    const row = await checkpointById(db, id);
    if (!row || row.status === "VOID") throw notFound(`no checkpoint ${id}`);
    return row;
  };
  const latest = async (): Promise<ListedCheckpoint> => {
    const row = await latestCheckpoint(db);
    if (!row) throw notFound(NONE_YET);
    return row;
  };

  app.get(
    "/reports/checkpoints",
    {
      config: { tier: "public", errors: [422] },
      schema: {
        operationId: "listCheckpoints",
        tags,
        summary: "Newest first",
        querystring: checkpointsQuery,
        response: { 200: z.array(checkpointRow) },
      },
    },
    async ({ query }) =>
      (await listCheckpoints(db, { ...(query.status ? { status: query.status } : {}), limit: query.limit })).map(
        checkpointRowOf,
      ),
  );
  app.get(
    "/reports/checkpoints/latest",
    {
      config,
      schema: { operationId: "getLatestCheckpoint", tags, summary: "The newest one", response: { 200: checkpointRow } },
    },
    async () => checkpointRowOf(await latest()),
  );
  app.get(
    "/reports/checkpoints/:id",
    {
      config,
      schema: {
        operationId: "getCheckpoint",
        tags,
        summary: "One checkpoint",
        params: checkpointId,
        response: { 200: checkpointRow },
      },
    },
    async ({ params }) => checkpointRowOf(await found(params.id)),
  );
  app.get(
    "/reports/checkpoints/:id/payload",
    {
      config,
      schema: {
        operationId: "getCheckpointPayload",
        tags,
        summary: "Period and entries",
        params: checkpointId,
        response: { 200: checkpointPayload },
      },
    },
    async ({ params }) => {
      const { id, period_start, period_end, entries } = checkpointRowOf(await found(params.id));
      return { checkpoint_id: id, period_start, period_end, entries };
    },
  );
  app.get(
    "/reports/checkpoints/:id/emission",
    {
      config: { tier: "public", errors: [404, 409] },
      schema: {
        operationId: "getCheckpointEmission",
        tags,
        summary: "The emission as it goes on chain",
        params: checkpointId,
        response: { 200: emission },
      },
    },
    async ({ params }) => emissionOf(await found(params.id)),
  );
  app.get(
    "/reports/emissions/latest",
    {
      config: { tier: "public", errors: [404, 409] },
      schema: {
        operationId: "getLatestEmission",
        tags,
        summary: "The newest checkpoint's emission",
        response: { 200: latestEmission },
      },
    },
    async () => {
      const row = await latest();
      const { id, status, period_start, period_end } = checkpointRowOf(row);
      return { checkpoint_id: id, status, period_start, period_end, emission: emissionOf(row) };
    },
  );
}

export const checkpointRowOf = (row: ListedCheckpoint): z.infer<typeof checkpointRow> => ({
  id: row.id,
  period_start: toIso(row.period_start),
  period_end: toIso(row.period_end),
  status: row.status as LegacyStatus, // what is void is not found
  entries: row.entries_jsonb,
  meta: row.meta_jsonb,
  created_at: toIso(row.created_at),
  tx_hash: row.tx_hash,
  submitted_at: toIsoOrNull(row.submitted_at),
});

/** A checkpoint that waits for a missing recipient has no emission yet. */
function emissionOf(row: ListedCheckpoint): z.infer<typeof emission> {
  const parsed = emission.safeParse(row.emission_jsonb);
  if (parsed.success) return parsed.data;
  throw conflict(`${row.id} has no emission yet: ${row.cause ?? row.phase}`);
}
