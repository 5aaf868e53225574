import { isUtf8 } from "node:buffer";
import { VARIANT_TYPES, type Variant } from "../protocol/variant.ts";
import { beginFrame, endFrame, HEAD_BYTES, type HostCall, u32 } from "./frames.ts";
import { MarshalWriter } from "./marshal.ts";

const TIMEOUT_AT = HEAD_BYTES;
const CALLS_AT = TIMEOUT_AT + 4;
const NUMBER_BYTES = 8;
const MAX_CALLS = 255;
/** Python reads a JSON text of less than this as fast as we do. */
const SMALL_JSON_BYTES = 2048;

/**
 * One frame for a Python host: u32 milliseconds until the runner gives it up, then in marshal a tuple of the calls, each
 * (name, arguments, keyword arguments, whether any of them is opaque). Values are Python's already; an opaque one is a tuple (type,
 * bytes) that the host decodes, because only it can (tables) or because it says best what is wrong. `readsAll`: JSON of any size is read here.
 */
export function encodePythonFrame(
  kind: number,
  id: number,
  calls: readonly HostCall[],
  timeoutMs: number,
  readsAll: boolean,
): Buffer {
  if (calls.length > MAX_CALLS) throw new RangeError(`${calls.length} calls in one frame`);
  const writer = new MarshalWriter(CALLS_AT);
  writer.tuple(calls.length);
  for (const call of calls) writeCall(writer, call, readsAll);
  const frame = writer.bytes();
  beginFrame(frame, kind, id);
  frame.writeUInt32LE(u32(timeoutMs), TIMEOUT_AT);
  return endFrame(frame);
}

function writeCall(writer: MarshalWriter, { name, args, kwargs }: HostCall, readsAll: boolean): void {
  let isOpaque = false;
  const write = (variant: Variant) => {
    if (writeValue(writer, variant, readsAll)) return;
    isOpaque = true;
    writer.tuple(2);
    writer.int(variant.type);
    writer.raw(variant.value, "bytes");
  };
  writer.tuple(4);
  writer.text(name);
  writer.tuple(args.length);
  args.forEach(write);
  writer.dict();
  for (const { keyword, data } of kwargs) {
    writer.key(keyword);
    write(data);
  }
  writer.end();
  writer.bool(isOpaque);
}

/** false: nothing was written. */
function writeValue(writer: MarshalWriter, { type, value }: Variant, readsAll: boolean): boolean {
  switch (type) {
    case VARIANT_TYPES.NONE:
      writer.none();
      return true;
    case VARIANT_TYPES.DOUBLE:
      if (value.length !== NUMBER_BYTES) return false;
      writer.double(value);
      return true;
    case VARIANT_TYPES.INT:
      if (value.length !== NUMBER_BYTES) return false;
      writer.int(Buffer.from(value.buffer, value.byteOffset, NUMBER_BYTES).readBigInt64LE());
      return true;
    case VARIANT_TYPES.STRING:
      if (!isUtf8(value)) return false;
      writer.raw(value, "utf8");
      return true;
    case VARIANT_TYPES.JSON:
      return (readsAll || value.length < SMALL_JSON_BYTES) && writer.json(value);
    default:
      return false;
  }
}
