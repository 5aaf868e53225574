import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import { framed, isGrpcType, type MessageLimits } from "../protocol/grpc-wire.ts";
import { RequestError, readRequest } from "./plain-request.ts";
import type { Follower, Method, Refusal, Trailer } from "./rpc.ts";

const HEADERS = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-accept-encoding": "identity,deflate,gzip",
};
/** The same in pairs, which Node takes as they are. */
const RAW_HEADERS = Object.entries(HEADERS).flatMap(([name, value]) => [name, String(value)]);
/** Of a message for people; the peers' limit for all metadata is 8 KiB. */
const MAX_MESSAGE_BYTES = 6000;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Serves one call of gRPC. Whatever it brings, it is answered, and nothing is thrown. */
export function servePlainCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  routes: ReadonlyMap<string, Method>,
  limits: MessageLimits,
): void {
  stream.on("error", () => undefined); // the caller is gone
  if (!isGrpcType(headers["content-type"])) {
    stream.respond({ ":status": 415 }, { endStream: true });
    abandon(stream);
    return;
  }
  const path = headers[":path"] ?? "";
  const method = routes.get(path);
  const deadlineAt = deadlineOf(headers["grpc-timeout"]);
  if (!method)
    refuse(stream, { code: status.UNIMPLEMENTED, details: `The server does not implement the method ${path}` });
  else if (deadlineAt === undefined)
    refuse(stream, { code: status.INTERNAL, details: "The header grpc-timeout cannot be read" });
  else serve(stream, headers, method, deadlineAt, limits).catch((error: unknown) => refuse(stream, refusalOf(error)));
}

async function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { definition, answer, follow }: Method,
  deadlineAt: number,
  limits: MessageLimits,
): Promise<void> {
  const message = await readRequest(stream, String(headers["grpc-encoding"] ?? "identity"), limits.receive);
  const request = parsed(message, definition.requestDeserialize);
  const frame = (response: object) => frameOf(definition.responseSerialize(response), limits.send);
  if (follow) {
    const refusal = follow(request, followerOf(stream, frame));
    if (refusal) refuse(stream, refusal);
    return;
  }
  const reply = await answer?.(request, deadlineAt);
  if (!reply || stream.closed) return;
  if ("error" in reply) return refuse(stream, reply.error, reply.trailer);
  const whole = frame(reply.response);
  begin(stream, reply.trailer);
  stream.end(whole);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof RequestError) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: `The call failed: ${(error as Error).message}` };
}

function parsed(message: Buffer, parse: (bytes: Buffer) => object): object {
  try {
    return parse(message);
  } catch (error) {
    throw new RequestError(status.INTERNAL, `Error deserializing request: ${(error as Error).message}`);
  }
}

function frameOf(message: Buffer, maxBytes: number): Buffer {
  if (maxBytes >= 0 && message.length > maxBytes)
    throw new RequestError(
      status.RESOURCE_EXHAUSTED,
      `Attempted to send message with a size larger than max (${message.length} vs ${maxBytes})`,
    );
  return framed(message);
}

/** Begins an answer that ends well. */
function begin(stream: ServerHttp2Stream, trailer?: Trailer): void {
  stream.respond(RAW_HEADERS, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status.OK), ...trailer }));
}

/** Ends a call with its status; an answer that has begun cannot be taken back. */
function refuse(stream: ServerHttp2Stream, { code, details }: Refusal, trailer?: Trailer): void {
  if (stream.closed || stream.destroyed) return;
  if (stream.headersSent) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return;
  }
  const told = { "grpc-status": String(code), "grpc-message": escaped(details), ...trailer };
  stream.respond({ ...HEADERS, ...told }, { endStream: true });
  abandon(stream);
}

/** What it goes on to send nobody wants; unread, it would hold the stream's place for ever. */
function abandon(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  stream.removeAllListeners("data").resume();
  stream.close(constants.NGHTTP2_NO_ERROR);
}

/** A text of `grpc-message`: printable ASCII, all else as bytes of UTF-8 in percent signs. */
function escaped(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text)) {
    if (out.length > MAX_MESSAGE_BYTES) break;
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

function followerOf(stream: ServerHttp2Stream, frame: (message: object) => Buffer): Follower {
  const isOpen = () => {
    if (stream.closed || !stream.writable) return false;
    if (!stream.headersSent) begin(stream);
    return true;
  };
  return {
    send: (message) => !isOpen() || stream.write(frame(message)),
    onDrain: (listener) => void stream.on("drain", listener),
    end() {
      if (isOpen()) stream.end();
    },
    onClose: (listener) => void stream.once("close", listener),
  };
}

/** Epoch ms of a header `grpc-timeout`, Infinity without one; undefined for what is none. */
function deadlineOf(timeout: string | string[] | undefined): number | undefined {
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(timeout)) ?? [];
  return digits === undefined ? undefined : Date.now() + Number(digits) * (UNIT_MS[unit ?? ""] ?? 1);
}
