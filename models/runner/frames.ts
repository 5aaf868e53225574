import { CODE } from "../protocol/answer-code.ts";
import type { WireArgument, WireKwArgument } from "../protocol/messages.ts";
import { VARIANT_TYPES, type Variant } from "../protocol/variant.ts";

/** Kinds of frames between the runner and a host (u32 length of the rest, u8 kind, u32 batch id, body; little-endian). */
export const KIND = { BATCH: 1, ANSWER: 2, HELLO: 3, SETUP: 4, REST: 7 } as const;
const MAX_U32 = 0xffff_ffff;
export const MAX_FRAME_BYTES = (4 << 20) + 4096;

const HOST_CODES: ReadonlySet<number> = new Set([
  CODE.OK,
  CODE.FAILED,
  CODE.TOO_LARGE,
  CODE.NOT_FINITE,
  CODE.NO_METHOD,
  CODE.NOT_SET_UP,
  CODE.BAD_IMPLEMENTATION,
  CODE.SETUP_FAILED,
  CODE.INVALID_ARGUMENT,
]);
const NOTHING: Variant = { type: VARIANT_TYPES.NONE, value: Buffer.alloc(0) };

export interface HostCall {
  /** a host that was given this key last is spared the call */
  readonly key?: string;
  readonly name: string;
  readonly args: readonly Variant[];
  readonly kwargs: readonly { readonly keyword: string; readonly data: Variant }[];
}
export interface Answer {
  readonly code: number;
  /** time inside the method */
  readonly runUs: number;
  readonly type: number;
  readonly value: Buffer;
}

/** A call as it came over the wire; absent values are None. */
export const hostCall = (
  name: string,
  args: readonly WireArgument[],
  kwargs: readonly WireKwArgument[],
  key?: string,
): HostCall => ({
  name,
  args: args.toSorted((a, b) => a.position - b.position).map((arg) => arg.data ?? NOTHING),
  kwargs: kwargs.map(({ keyword, data }) => ({ keyword, data: data ?? NOTHING })),
  ...(key ? { key } : {}),
});

/** A type that is none of the public ones. */
export const foreignType = ({ args, kwargs }: HostCall): number | undefined =>
  [...args, ...kwargs.map(({ data }) => data)].find(({ type }) => type < 0 || type > VARIANT_TYPES.JSON)?.type;

/** Why a call cannot become a frame, or undefined. Counts and names have one byte for their length. */
export function unframeable(call: HostCall): string | undefined {
  if (call.args.length > 255 || call.kwargs.length > 255) return "more than 255 arguments";
  const long = [call.name, ...call.kwargs.map((kw) => kw.keyword)].find((name) => Buffer.byteLength(name) > 255);
  return long === undefined ? undefined : `a name longer than 255 bytes: ${long.slice(0, 40)}…`;
}

/** Begins a frame: all but its length, which `endFrame` writes. */
export const HEAD_BYTES = 9;
export function beginFrame(frame: Buffer, kind: number, id: number): void {
  frame[4] = kind;
  frame.writeUInt32LE(id, 5);
}
export function endFrame(frame: Buffer): Buffer {
  frame.writeUInt32LE(frame.length - 4, 0);
  return frame;
}
export const u32 = (value: number): number => Math.min(Math.ceil(value), MAX_U32);

/**
 * One frame with the calls in order, for hosts that read JSON; the same buffer may go to any number of them. `timeoutMs` is when the
 * runner gives it up.
 */
export function encodeFrame(kind: number, id: number, calls: readonly HostCall[], timeoutMs: number): Buffer {
  const parts: Uint8Array[] = [];
  const name = (text: string) => {
    const bytes = Buffer.from(text);
    parts.push(Buffer.of(bytes.length), bytes);
  };
  const value = (variant: Variant) => {
    const head = Buffer.allocUnsafe(5);
    head[0] = variant.type;
    head.writeUInt32LE(variant.value.length, 1);
    parts.push(head, variant.value);
  };
  for (const call of calls) {
    name(call.name);
    parts.push(Buffer.of(call.args.length));
    call.args.forEach(value);
    parts.push(Buffer.of(call.kwargs.length));
    for (const { keyword, data } of call.kwargs) {
      name(keyword);
      value(data);
    }
  }
  const head = Buffer.allocUnsafe(HEAD_BYTES + 5);
  beginFrame(head, kind, id);
  head[9] = calls.length;
  head.writeUInt32LE(u32(timeoutMs), 10);
  return endFrame(Buffer.concat([head, ...parts]));
}

/** Answers of one frame from a host. Throws on anything that does not fit: the host is then not to be trusted. */
export function decodeAnswers(body: Buffer): { first: number; answers: Answer[] } {
  const first = body.readUInt8(5);
  const count = body.readUInt8(6);
  const answers: Answer[] = [];
  let at = 7;
  for (let i = 0; i < count; i++) {
    const size = body.readUInt32LE(at + 6);
    if (at + 10 + size > body.length) throw new Error("an answer is cut off");
    const code = body.readUInt8(at);
    if (!HOST_CODES.has(code)) throw new Error(`an answer with the code ${code}, which is not a host's to give`);
    answers.push({
      code,
      runUs: body.readUInt32LE(at + 1),
      type: body.readUInt8(at + 5),
      value: Buffer.from(body.subarray(at + 10, at + 10 + size)),
    });
    at += 10 + size;
  }
  if (at !== body.length) throw new Error("bytes behind the last answer");
  return { first, answers };
}

/**
 * Cuts a byte stream of an untrusted host into frames. A length above the limit is noticed before any of its body is
 * kept; `onFrame` gets the frame without its length field and returns false to stop.
 */
export function createFrameReader(
  onFrame: (body: Buffer) => boolean,
  onOversize: (length: number) => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let have = 0;
  let need = 4;
  return (chunk) => {
    parts.push(chunk);
    have += chunk.length;
    if (have < need) return;
    let bytes = parts.length === 1 ? chunk : Buffer.concat(parts, have);
    while (bytes.length >= 4) {
      const length = bytes.readUInt32LE(0);
      if (length > MAX_FRAME_BYTES || length < 5) {
        parts = [];
        onOversize(length);
        return;
      }
      if (bytes.length < length + 4) break;
      const body = bytes.subarray(4, length + 4);
      bytes = bytes.subarray(length + 4);
      if (!onFrame(body)) return;
    }
    parts = bytes.length > 0 ? [bytes] : [];
    have = bytes.length;
    need = have < 4 ? 4 : bytes.readUInt32LE(0) + 4;
  };
}
