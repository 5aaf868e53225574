import type { FastifyRequest } from "fastify";
import { checkpointById, latestCheckpoint } from "../../db/checkpoints.ts";
import { decisionsOf } from "../../db/decisions.ts";
import { type Decision, refusal } from "../../domain/checkpoint.ts";
import { type DecisionInput, decisionInput } from "../../domain/decision.ts";
import { decideOn, keyOf } from "../checkpoint-decide.ts";
import {
  approvalBody,
  decisionList,
  decisionResult,
  submissionBody,
  voidingBody,
} from "../contract/checkpoint-actions.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import { strictQuery, toIso } from "../contract/common.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";

const tags = ["checkpoints"];
const config = { tier: "write", errors: [400, 403, 404, 409, 412, 422, 428] } as const;
const BODY_LIMIT_BYTES = 16_384;
const querystring = strictQuery({});

/** What people decide about a checkpoint. Off LOCAL each is signed by an approver; the same Idempotency-Key gets the first answer. */
export function checkpointActionRoutes(app: App, deps: ApiDeps): void {
  const { db } = deps;
  const found = async (id: string) => {
    const row = id === "latest" ? await latestCheckpoint(db) : await checkpointById(db, id);
    if (row) return row;
    throw notFound(id === "latest" ? "no checkpoint yet" : `no checkpoint ${id}`);
  };
  const decide = async (request: FastifyRequest, id: string, action: Decision | undefined, body: DecisionInput) => {
    const row = await found(id);
    const open = action ?? (refusal("retryBlocked", row.phase) === null ? "retryBlocked" : "retry");
    const given = decisionInput(body);
    return decideOn(deps, row, open, given, { key: keyOf(request, given.key), ifMatch: request.headers["if-match"] });
  };
  const schema = { tags, params: checkpointId, querystring, response: { 200: decisionResult } };
  app.post(
    "/v1/checkpoints/:id/approvals",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        ...schema,
        operationId: "approveCheckpoint",
        summary: "Let it be submitted and paid. Wants If-Match and Idempotency-Key",
        body: approvalBody,
      },
    },
    (request) => decide(request, request.params.id, "approve", present(request.body)),
  );
  app.post(
    "/v1/checkpoints/:id/submissions",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        ...schema,
        operationId: "retryCheckpoint",
        summary: "Try again what failed or was blocked. Wants If-Match and Idempotency-Key",
        body: submissionBody,
      },
    },
    (request) => decide(request, request.params.id, request.body.action, present(request.body)),
  );
  app.post(
    "/v1/checkpoints/:id/voidings",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        ...schema,
        operationId: "voidCheckpoint",
        summary: "End it before it is submitted; nobody is paid by it. Wants If-Match and Idempotency-Key",
        body: voidingBody,
      },
    },
    (request) => decide(request, request.params.id, "void", present(request.body)),
  );
  app.get(
    "/v1/checkpoints/:id/decisions",
    {
      config: { tier: "public", errors: [400, 404] },
      schema: {
        operationId: "listCheckpointDecisions",
        tags,
        summary: "What people decided, oldest first, with the texts that approvers signed",
        params: checkpointId,
        querystring,
        response: { 200: decisionList },
      },
    },
    async ({ params }) => {
      const rows = await decisionsOf(db, (await found(params.id)).id);
      const data = rows.map(({ at, key, action, actor, reason, statement, signature, result_jsonb: result }) => ({
        ...{ at: toIso(at), key, action, actor, reason, statement, signature, result },
      }));
      return { data, next_cursor: null };
    },
  );
}

/** Without what was left out. */
const present = (body: Record<string, string | undefined>): DecisionInput =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
