// Process of one participant's model in JavaScript or TypeScript. Node's standard library only.
//
// The same frames on descriptor 3 as host.py: u32 length of the rest, u8 kind, u32 batch id, then the body (little-endian).
// Started as `host.mjs <code folder> <package folder> [<options as JSON>]`, options: main_file, resource_directory, has_gpu.
import { Socket } from "node:net";
import { setPriority } from "node:os";
import { resolve } from "node:path";
import { env } from "node:process";
import { resolveFrom } from "./host_class.mjs";
import { Model } from "./host_model.mjs";

const CHANNEL = 3;
const [BATCH, ANSWER, HELLO, SETUP, REST] = [1, 2, 3, 4, 7];
const SLOW_MS = 1; // an answer that took longer is sent at once, so that a hang later in the batch cannot hide it
const LEAD_MS = 100; // what a call is at is said this long before its deadline
const MAX_U32 = 0xffffffff;

/** Takes the calls of a frame apart; the bytes of values are views of the frame. */
class Reader {
  #at = 5;
  #frame;
  constructor(frame) {
    this.#frame = frame;
  }
  byte() {
    return this.#frame[this.#at++];
  }
  u32() {
    this.#at += 4;
    return this.#frame.readUInt32LE(this.#at - 4);
  }
  bytes(size) {
    this.#at += size;
    return this.#frame.subarray(this.#at - size, this.#at);
  }
  name() {
    return this.bytes(this.byte()).toString("utf8");
  }
  value() {
    const type = this.byte();
    return [type, this.bytes(this.u32())];
  }
  times(read) {
    return Array.from({ length: this.byte() }, read);
  }
  call() {
    const name = this.name();
    const args = this.times(() => this.value());
    const kwargs = this.times(() => [this.name(), this.value()]);
    return { name, args, kwargs };
  }
}

function send(channel, kind, batch, parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 5);
  const head = Buffer.allocUnsafe(9);
  head.writeUInt32LE(size);
  head[4] = kind;
  head.writeUInt32LE(batch, 5);
  channel.write(Buffer.concat([head, ...parts], size + 4));
}

function answerBytes({ code, type, data }, tookMs) {
  const head = Buffer.allocUnsafe(10);
  head[0] = code;
  head.writeUInt32LE(Math.min(Math.round(tookMs * 1000), MAX_U32), 1);
  head[5] = type;
  head.writeUInt32LE(data.length, 6);
  return Buffer.concat([head, data]);
}

/** Runs the calls in order. What waits to be sent goes out with the last, with a slow one, and shortly before the deadline. */
async function answerBatch(channel, frame, perform) {
  const reader = new Reader(frame);
  const batch = frame.readUInt32LE(1);
  const count = reader.byte();
  const timeoutMs = reader.u32();
  let first = 0;
  let waiting = [];
  const flush = () => {
    if (waiting.length > 0) send(channel, ANSWER, batch, [Buffer.of(first, waiting.length), ...waiting]);
    first += waiting.length;
    waiting = [];
  };
  let at = "";
  const warning = setTimeout(
    () => {
      console.error(`${at} has not settled shortly before its deadline.`);
      flush();
    },
    timeoutMs - Math.min(LEAD_MS, timeoutMs / 10),
  );
  for (let i = 0; i < count; i++) {
    const call = reader.call();
    at = call.name;
    const start = performance.now();
    const answer = await perform(call);
    const took = performance.now() - start;
    waiting.push(answerBytes(answer, took));
    if (took > SLOW_MS) flush();
  }
  clearTimeout(warning);
  flush();
}

/** Calls `onFrame` with each frame, without its length. */
function cutFrames(onFrame) {
  let have = Buffer.alloc(0);
  return (chunk) => {
    have = have.length === 0 ? chunk : Buffer.concat([have, chunk]);
    while (have.length >= 4) {
      const end = have.readUInt32LE() + 4;
      if (have.length < end) return;
      onFrame(have.subarray(4, end));
      have = have.subarray(end);
    }
  };
}

function main() {
  const [code, packages, options] = [
    resolve(process.argv[2]),
    resolve(process.argv[3]),
    JSON.parse(process.argv[4] ?? "{}"),
  ];
  process.argv.length = 1;
  try {
    setPriority(10);
  } catch {
    // no right to
  }
  if (options.resource_directory) env.RESOURCE_DIRECTORY = options.resource_directory;
  if (options.has_gpu !== undefined) env.HAS_GPU = String(options.has_gpu);
  // What a model leaves running may fail later: that is no reason to lose its memory.
  for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, (reason) => console.error(reason));
  resolveFrom(packages);
  const model = new Model({ code, packages, main: options.main_file });
  const channel = new Socket({ fd: CHANNEL });
  const perform = {
    [BATCH]: (call) => model.call(call),
    [SETUP]: (call) => model.setup(call),
    [REST]: () => model.rest(),
  };
  let before = Promise.resolve();
  channel.on(
    "data",
    cutFrames((frame) => {
      const how = perform[frame[0]];
      if (how) before = before.then(() => answerBatch(channel, frame, how));
    }),
  );
  for (const event of ["end", "error", "close"]) channel.on(event, () => process.exit(0));
  const hello = JSON.stringify({ host: 1, node: process.versions.node });
  send(channel, HELLO, 0, [Buffer.from(hello)]);
}

main();
