import { z } from "zod";
import { askAdoption, cancelRescore, listRescores, type RescoreRow, rescoreById } from "../../db/rescore.ts";
import {
  rescoreActBody,
  rescoreBody,
  rescoreId,
  rescoreJob,
  rescoreJobWithDiff,
  rescoresQuery,
} from "../contract/rescore.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict, notFound } from "../problem.ts";
import { adoptionRefusal, createRescore, rescoreJobOf } from "../rescore-start.ts";

const BODY_LIMIT_BYTES = 16_384;
const CREATED = 201;
const ACCEPTED = 202;
const tags = ["rescore"];

/** Rounds of the past by another scorer. The row is written here and says what is wanted; the work is a workflow's. */
export function rescoreRoutes(app: App, deps: ApiDeps): void {
  const { db, rescores, competition } = deps;
  const now = deps.now ?? Date.now;
  const found = async (id: string): Promise<RescoreRow> => {
    const row = await rescoreById(db, id);
    if (!row) throw notFound(`no rescore job ${id}`);
    return row;
  };
  /** Where Temporal is away now, reconcile starts it within two minutes. */
  const start = (id: string): Promise<void> =>
    rescores?.start(id).catch((err: unknown) => deps.log.warn({ err, id }, "rescore: not started yet")) ??
    Promise.resolve();

  app.post(
    "/reports/rescore",
    {
      config: { tier: "write", errors: [409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "startRescore",
        tags,
        summary:
          "Score the rounds due in [from, to) by the present scorer, beside the scores that count. One job at a time (409)",
        body: rescoreBody,
        response: { 201: rescoreJob },
      },
    },
    async ({ body }, reply) => {
      const row = await createRescore(db, body, competition.scorerHash, now());
      await start(row.id);
      return reply.code(CREATED).send(rescoreJobOf(row));
    },
  );
  app.get(
    "/reports/rescore/jobs",
    {
      config: { tier: "read", errors: [422] },
      schema: {
        operationId: "listRescores",
        tags,
        summary: "Newest first",
        querystring: rescoresQuery,
        response: { 200: z.array(rescoreJob) },
      },
    },
    async ({ query }) => (await listRescores(db, query)).map(rescoreJobOf),
  );
  app.get(
    "/reports/rescore/jobs/:id",
    {
      config: { tier: "read", errors: [404] },
      schema: {
        operationId: "getRescore",
        tags,
        summary: "One job; when it is ready, every model's rank and mean before and after",
        params: rescoreId,
        response: { 200: rescoreJobWithDiff },
      },
    },
    async ({ params }) => {
      const row = await found(params.id);
      return { ...rescoreJobOf(row), diff: row.diff_jsonb };
    },
  );
  app.post(
    "/reports/rescore/jobs/:id/adopt",
    {
      config: { tier: "write", errors: [404, 409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "adoptRescore",
        tags,
        summary:
          "Let the new scores count; what a checkpoint has sealed stays, and the next scoring window writes the corrections",
        params: rescoreId,
        body: rescoreActBody,
        response: { 202: rescoreJob },
      },
    },
    async ({ params: { id }, body }, reply) => {
      const refusal = adoptionRefusal(await found(id));
      if (refusal !== null) throw conflict(refusal);
      const row = await askAdoption(db, id, body);
      if (!row) throw conflict("the job is another by now: look at it again");
      await start(id);
      return reply.code(ACCEPTED).send(rescoreJobOf(row));
    },
  );
  app.post(
    "/reports/rescore/jobs/:id/cancel",
    {
      config: { tier: "write", errors: [404, 409, 422] },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "cancelRescore",
        tags,
        summary: "End a job; the scores that count stay as they are",
        params: rescoreId,
        body: rescoreActBody,
        response: { 200: rescoreJob },
      },
    },
    async ({ params: { id }, body }) => {
      const row = await cancelRescore(db, id, body);
      if (row) return rescoreJobOf(row);
      const { status, adopt_actor } = await found(id);
      throw conflict(
        status === "ready" && adopt_actor !== null
          ? "a job that is being adopted cannot be cancelled"
          : `a job that is ${status} cannot be cancelled`,
      );
    },
  );
}
