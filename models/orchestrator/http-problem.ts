import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { UploadError } from "./submission-files.ts";

/** An answer that is no success. `field`: the part of the request that is wrong. */
export class HttpProblem extends Error {
  override name = "HttpProblem";
  readonly status: number;
  readonly code: string;
  readonly field: string | undefined;
  constructor(status: number, code: string, message: string, field?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

function problemOf(error: unknown): { status: number; code: string; detail: string; field?: string | undefined } {
  if (error instanceof HttpProblem)
    return { status: error.status, code: error.code, detail: error.message, field: error.field };
  if (error instanceof UploadError) return { status: 422, code: "invalid", detail: error.message, field: error.field };
  const { statusCode = 500, code = "refused", message } = error as FastifyError;
  if (statusCode < 500)
    return { status: statusCode, code: code.toLowerCase().replaceAll("_", "-"), detail: message, field: undefined };
  return { status: 500, code: "internal", detail: "this node failed; its log has the cause under this trace id" };
}

/** Every refusal as application/problem+json (RFC 9457); only what is our own fault is logged. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, detail, field } = problemOf(error);
  if (status >= 500) request.log.error({ err: error }, "request failed");
  const body = {
    type: `/problems/${code}`,
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail,
    instance: request.url.split("?", 1)[0],
    code,
    trace_id: request.id,
    ...(field === undefined ? {} : { errors: [{ path: field, message: detail }] }),
  };
  return reply.code(status).type("application/problem+json").send(JSON.stringify(body));
}
