import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { Problem } from "./contract/common.ts";

/** An answer that is no success; `code` names the kind for programs, `message` is for people. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
export const notFound = (message: string): ApiError => new ApiError(404, "not-found", message);
export const conflict = (message: string): ApiError => new ApiError(409, "conflict", message);

interface Refused {
  path: string;
  loc: (string | number)[];
  message: string;
  type: string;
}
interface Failure {
  status: number;
  code: string;
  detail: string;
  retryable: boolean;
  refused?: Refused[];
}

/** What PostgreSQL's driver says when the server is away or is going: refused, reset, shutting down, starting, too slow. */
const DATABASE_AWAY =
  /ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|57P0\d|08\d\d\d|53300|timeout exceeded when trying to connect|Connection terminated/;
const QUERY_CANCELLED = "57014";

export function failureOf(error: unknown): Failure {
  if (error instanceof ApiError)
    return { status: error.status, code: error.code, detail: error.message, retryable: error.status === 503 };
  if (hasZodFastifySchemaValidationErrors(error)) return invalid(error);
  const { code, statusCode, message } = error as Partial<FastifyError>;
  if (code === QUERY_CANCELLED)
    return {
      status: 503,
      code: "too-slow",
      detail: "the query took longer than the database allows: ask for a shorter range or a smaller limit",
      retryable: false,
    };
  if (DATABASE_AWAY.test(`${code} ${message}`))
    return { status: 503, code: "database-away", detail: "the database does not answer; see /readyz", retryable: true };
  if (statusCode !== undefined && statusCode < 500)
    return {
      status: statusCode,
      code: (code ?? "refused").toLowerCase().replaceAll("_", "-"),
      detail: message ?? "refused",
      retryable: false,
    };
  return {
    status: 500,
    code: "internal",
    detail: "something failed inside the node; its log has the cause under this trace id",
    retryable: true,
  };
}

function invalid(
  error: Parameters<typeof failureOf>[0] & {
    validation: { instancePath?: string; message?: string; keyword?: string }[];
    validationContext?: string | undefined;
  },
): Failure {
  const place =
    error.validationContext === "querystring"
      ? "query"
      : error.validationContext === "params"
        ? "path"
        : (error.validationContext ?? "query");
  const refused = error.validation.map(({ instancePath = "", message = "not valid", keyword = "value" }) => {
    const names = instancePath.split("/").filter(Boolean);
    return { path: names.join("."), loc: [place, ...names], message, type: keyword };
  });
  const detail = refused.map((r) => (r.path ? `${r.path}: ${r.message}` : r.message)).join("; ");
  return { status: 422, code: "invalid", detail, retryable: false, refused };
}

const isV1 = (request: FastifyRequest): boolean => request.url.startsWith("/v1/");

/** Legacy routes answer {"detail"}, /v1 answers application/problem+json; only what is our own fault is logged as an error. */
export function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = failureOf(error);
  if (failure.status >= 500) request.log.error({ err: error, status: failure.status }, "request failed");
  return isV1(request) ? sendProblem(failure, request, reply) : sendLegacy(failure, reply);
}

function sendLegacy({ status, detail, refused }: Failure, reply: FastifyReply): FastifyReply {
  const list = refused?.map(({ type, loc, message }) => ({ type, loc, msg: message }));
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify({ detail: list ?? detail }));
}

/** An idempotency key with another body: 422 everywhere, as its users expect. */
export const KEY_REUSED = "idempotency-key-reused";

/** A decision that is not open in the phase that the workflow knows of; the row may know of a later one. */
export const NOT_OPEN = "not-open";

/** Refused parameters are 422 on legacy routes and 400 on /v1. */
function sendProblem(
  { status, code, detail, retryable, refused }: Failure,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const shown = status === 422 && code !== KEY_REUSED ? 400 : status;
  const body: Problem = {
    type: `/problems/${code}`,
    title: STATUS_CODES[shown] ?? "Error",
    status: shown,
    detail,
    instance: request.url.split("?", 1)[0]!,
    code,
    trace_id: request.id,
    retryable,
    ...(refused ? { errors: refused.map(({ path, message }) => ({ path, message })) } : {}),
  };
  return reply.code(shown).type("application/problem+json").send(JSON.stringify(body));
}
