import type { ServerHttp2Stream } from "node:http2";
import { promisify } from "node:util";
import { gunzip, type InputType, inflate, type ZlibOptions } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { PREFIX_BYTES } from "../protocol/grpc-wire.ts";

type Unpack = (data: InputType, options: ZlibOptions) => Promise<Buffer>;
const UNPACK: Readonly<Record<string, Unpack>> = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** Why a request is refused. */
export class RequestError extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.name = "RequestError";
    this.code = code;
  }
}

const tooLarge = (size: number | string, max: number) =>
  new RequestError(status.RESOURCE_EXHAUSTED, `Received message larger than max (${size} vs ${max})`);

/**
 * The one message of a request.
 * @throws RequestError at once for a length above the limit (-1: none), before any of it is kept
 */
export async function readRequest(stream: ServerHttp2Stream, encoding: string, maxBytes: number): Promise<Buffer> {
  const whole = await gather(stream, maxBytes);
  if (whole.length < PREFIX_BYTES) throw new RequestError(status.INTERNAL, "The request holds no message");
  const size = whole.readUInt32BE(1);
  if (whole.length < PREFIX_BYTES + size) throw new RequestError(status.INTERNAL, "The request's message is cut off");
  if (whole.length > PREFIX_BYTES + size)
    throw new RequestError(status.UNIMPLEMENTED, "The request holds more than one message");
  const message = whole.subarray(PREFIX_BYTES);
  return whole[0] === 0 ? message : unpacked(message, encoding, maxBytes);
}

/** All that a stream brings. What is behind the announced length is noticed with its first byte. */
function gather(stream: ServerHttp2Stream, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let have = 0;
    let wanted: number | undefined;
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      have += chunk.length;
      if (wanted === undefined && have >= PREFIX_BYTES) {
        const size = (chunks.length === 1 ? chunk : Buffer.concat(chunks)).readUInt32BE(1);
        wanted = PREFIX_BYTES + size;
        if (maxBytes >= 0 && size > maxBytes) {
          stream.pause();
          reject(tooLarge(size, maxBytes));
          return;
        }
      }
      if (wanted !== undefined && have > wanted) {
        stream.pause();
        resolve(Buffer.concat(chunks, have));
      }
    });
    const leave = () => reject(new RequestError(status.CANCELLED, "The caller has gone"));
    stream.on("close", leave);
    stream.on("end", () => {
      stream.off("close", leave); // an error, with its stack, would be made for every call
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, have));
    });
  });
}

async function unpacked(message: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  const unpack = UNPACK[encoding];
  if (!unpack)
    throw new RequestError(status.UNIMPLEMENTED, `Received message compressed with unsupported encoding "${encoding}"`);
  try {
    return await unpack(message, maxBytes < 0 ? {} : { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
      throw tooLarge("more when unpacked", maxBytes);
    throw new RequestError(status.INTERNAL, `The request cannot be unpacked: ${(error as Error).message}`);
  }
}
