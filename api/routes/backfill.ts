import { z } from "zod";
import { backfillById, latestBackfills, listBackfills } from "../../db/backfill.ts";
import { feedSummaries } from "../../db/feed-reports.ts";
import { type BackfillCommand, isEnded, refusedCommand } from "../../domain/backfill.ts";
import type { Stream } from "../../domain/day-file.ts";
import { createBackfill, jobOf } from "../backfill-start.ts";
import { backfillBody, backfillFeed, backfillJob, backfillJobId, backfillJobsQuery } from "../contract/backfill.ts";
import { toIsoOrNull } from "../contract/common.ts";
import type { ApiDeps, App } from "../deps.ts";
import { ApiError, conflict, notFound } from "../problem.ts";

const BODY_LIMIT_BYTES = 16_384;
const MOST_STREAMS = 200;
const CREATED = 201;
const tags = ["backfill"];
const COMMANDS: readonly [BackfillCommand, string][] = [
  ["pause", "Stop asking; what was stored stays"],
  ["resume", "Go on from the cursor; a failed job too"],
  ["cancel", "End it; what was stored stays, and is filed"],
];

/** History on request: jobs that fetch it. The row is written here, the work is a workflow's. */
export function backfillRoutes(app: App, deps: ApiDeps): void {
  const { db, backfills } = deps;
  const now = deps.now ?? Date.now;
  const found = async (id: string) => {
    const row = await backfillById(db, id);
    if (!row) throw notFound(`no backfill job ${id}`);
    return row;
  };

  app.get(
    "/reports/backfill/feeds",
    {
      config: { tier: "read" },
      schema: {
        operationId: "listBackfillFeeds",
        tags,
        summary: "Streams that can be filled: those that the node follows, and those with records or jobs",
        response: { 200: z.array(backfillFeed) },
      },
    },
    () => feedsOf(deps),
  );
  app.post(
    "/reports/backfill",
    {
      config: { tier: "write", errors: [409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "startBackfill",
        tags,
        summary:
          "Fetch the history of a stream in [start, end); an end that is not past is now. One open job a stream (409)",
        body: backfillBody,
        response: { 201: backfillJob },
      },
    },
    async ({ body, log }, reply) => {
      const row = await createBackfill(db, body, now());
      // The row is the job. Where Temporal is away now, reconcile starts it within two minutes.
      await backfills
        ?.start(row)
        .catch((error: unknown) => log.warn({ err: error, id: row.id }, "backfill: not started yet"));
      return reply.code(CREATED).send(jobOf(row));
    },
  );
  app.get(
    "/reports/backfill/jobs",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "listBackfillJobs",
        tags,
        summary: "Newest first",
        querystring: backfillJobsQuery,
        response: { 200: z.array(backfillJob) },
      },
    },
    async ({ query }) => (await listBackfills(db, query)).map(jobOf),
  );
  app.get(
    "/reports/backfill/jobs/:id",
    {
      config: { tier: "read", errors: [404] },
      schema: {
        operationId: "getBackfillJob",
        tags,
        summary: "One job and how far it is",
        params: backfillJobId,
        response: { 200: backfillJob },
      },
    },
    async ({ params }) => jobOf(await found(params.id)),
  );
  for (const [command, summary] of COMMANDS)
    app.post(
      `/reports/backfill/jobs/:id/${command}`,
      {
        config: { tier: "write", errors: [404, 409] },
        bodyLimit: BODY_LIMIT_BYTES,
        schema: {
          operationId: `${command}Backfill`,
          tags,
          summary,
          params: backfillJobId,
          response: { 200: backfillJob },
        },
      },
      async ({ params }) => {
        const row = await found(params.id);
        const refused = refusedCommand(command, row.status);
        if (refused !== null) throw conflict(refused);
        if (!backfills) throw new ApiError(503, "workflows-away", "this server was started without workflows");
        await backfills.command(row, command);
        return jobOf(await found(params.id));
      },
    );
}

async function feedsOf({ db, settings }: ApiDeps): Promise<z.infer<typeof backfillFeed>[]> {
  const summaries = await feedSummaries(db);
  const jobs = await latestBackfills(db, MOST_STREAMS);
  const configured: Stream[] = settings.feed.subjects.map((subject) => ({ ...settings.feed, subject }));
  const streams = new Map([...configured, ...summaries, ...jobs].map((stream) => [keyOf(stream), stream]));
  return [...streams].sort().map(([key, { source, subject, kind, granularity }]) => {
    const stored = summaries.find((s) => keyOf(s) === key);
    const job = jobs.find((j) => keyOf(j) === key);
    return {
      ...{ source, subject, kind, granularity },
      configured: configured.some((c) => keyOf(c) === key),
      record_count: Number(stored?.record_count ?? 0),
      oldest_ts: toIsoOrNull(stored?.oldest_ts),
      newest_ts: toIsoOrNull(stored?.newest_ts),
      job_id: job && !isEnded(job.status) ? job.id : null,
    };
  });
}
const keyOf = (s: Stream): string => JSON.stringify([s.source, s.subject, s.kind, s.granularity]);
