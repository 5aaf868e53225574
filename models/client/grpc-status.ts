import { constants, type IncomingHttpHeaders } from "node:http2";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { isGrpcType } from "../protocol/grpc-wire.ts";

/** The error of a call, in the form that grpc-js gives it. */
export function serviceError(code: status, details: string, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), { code, details, metadata });
}
export const unavailable = (why: string): ServiceError => serviceError(status.UNAVAILABLE, why);
export const deadlineError = (): ServiceError => serviceError(status.DEADLINE_EXCEEDED, "Deadline exceeded");
export const internal = (details: string): ServiceError => serviceError(status.INTERNAL, details);

const OF_HTTP: Readonly<Record<number, status>> = {
  400: status.INTERNAL,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.UNIMPLEMENTED,
  429: status.UNAVAILABLE,
  502: status.UNAVAILABLE,
  503: status.UNAVAILABLE,
  504: status.UNAVAILABLE,
};
const OF_RESET: Readonly<Record<number, status>> = {
  [constants.NGHTTP2_REFUSED_STREAM]: status.UNAVAILABLE,
  [constants.NGHTTP2_CANCEL]: status.CANCELLED,
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: status.RESOURCE_EXHAUSTED,
  [constants.NGHTTP2_INADEQUATE_SECURITY]: status.PERMISSION_DENIED,
};

/** What a stream says that was reset, by either side. */
export const resetError = (code: number): ServiceError =>
  code === constants.NGHTTP2_NO_ERROR
    ? internal("The call ended without a gRPC status")
    : serviceError(OF_RESET[code] ?? status.INTERNAL, `The stream was reset with code ${code}`);

/** Nothing for headers that can begin an answer of gRPC. */
export function notGrpc(headers: IncomingHttpHeaders): ServiceError | undefined {
  const http = Number(headers[":status"]);
  if (http !== 200) return serviceError(OF_HTTP[http] ?? status.UNKNOWN, `Received HTTP status code ${http}`);
  const type = headers["content-type"] ?? "none";
  if (isGrpcType(type)) return undefined;
  return serviceError(status.UNKNOWN, `The answer is no gRPC: its content type is ${type}`);
}

const OK = "0";
const MAX_CODE = status.UNAUTHENTICATED;
const HEX_ESCAPES = /(?:%[0-9a-f]{2})+/gi;

/** A text of `grpc-message`; an escape that is broken stays as it is. */
const readable = (text: string): string =>
  text.replace(HEX_ESCAPES, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"));

/** The end of a call that its runner told: an error, or the metadata of one that went well. */
export function statusOf(trailers: IncomingHttpHeaders): ServiceError | Metadata {
  const told = trailers["grpc-status"];
  if (told === undefined) return resetError(constants.NGHTTP2_NO_ERROR);
  if (told === OK) return metadataOf(trailers);
  const number = Number(told);
  const isKnown = Number.isInteger(number) && number > 0 && number <= MAX_CODE;
  const message = readable(String(trailers["grpc-message"] ?? ""));
  return serviceError(isKnown ? number : status.UNKNOWN, message, metadataOf(trailers));
}

const isOfStatus = (name: string): boolean => name === "grpc-status" || name === "grpc-message";

function metadataOf(headers: IncomingHttpHeaders): Metadata {
  for (const name in headers) {
    if (isOfStatus(name)) continue;
    const rest = Object.entries(headers).filter(([each]) => !isOfStatus(each));
    return Metadata.fromHttp2Headers(Object.fromEntries(rest));
  }
  return new Metadata(); // trailers seldom hold more than the status
}
