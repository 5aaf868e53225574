import { encodeFrame, type HostCall } from "./frames.ts";
import { encodePythonFrame } from "./python-frame.ts";

/** Reading large arguments once for all pays from this many hosts on. */
const MANY_HOSTS = 4;

/** The same calls for any number of hosts: their frames are made once. */
export interface Batch {
  /** answers name it; no two batches of a runner have the same */
  readonly id: number;
  readonly calls: readonly HostCall[];
  /** indexes of all calls */
  readonly all: readonly number[];
  /** whether any call has a key, which a host may have been given before */
  readonly hasKeys: boolean;
  readonly timeoutMs: number;
  /** the frame with these calls (by index) only; `marshal`: the host reads Python's marshal */
  frame(kind: number, included: readonly number[], marshal: boolean): Buffer;
}
let lastBatch = 0;

/** `hosts`: how many will get it. */
export function createBatch(calls: readonly HostCall[], timeoutMs: number, hosts = 1): Batch {
  lastBatch = (lastBatch + 1) >>> 0;
  const id = lastBatch;
  const all = calls.map((_call, index) => index);
  const frames = new Map<string, Buffer>();
  const last: { kind?: number; marshal?: boolean; frame?: Buffer } = {}; // of all calls: what nearly every host gets

  function make(kind: number, included: readonly number[], marshal: boolean): Buffer {
    const name = `${kind}/${marshal}/${included}`;
    const known = frames.get(name);
    if (known) return known;
    const own = included.flatMap((index) => calls[index] ?? []);
    const made = marshal
      ? encodePythonFrame(kind, id, own, timeoutMs, hosts >= MANY_HOSTS)
      : encodeFrame(kind, id, own, timeoutMs);
    frames.set(name, made);
    return made;
  }

  return {
    id,
    calls,
    all,
    hasKeys: calls.some(({ key }) => key !== undefined),
    timeoutMs,
    frame(kind, included, marshal) {
      if (included !== all) return make(kind, included, marshal);
      if (!last.frame || last.kind !== kind || last.marshal !== marshal)
        Object.assign(last, { kind, marshal, frame: make(kind, all, marshal) });
      return last.frame as Buffer;
    },
  };
}
