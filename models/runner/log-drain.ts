import type { Readable } from "node:stream";

const BUDGET_BYTES = 256 << 10;
const BUDGET_MS = 250;
const KEEP_BYTES = 256 << 10;

/** The last 256 KiB that a model printed, and how much was dropped before them. */
export interface ModelLog {
  drain(stream: Readable): void;
  text(): string;
  droppedBytes(): number;
}

/**
 * Reads a model's stdout and stderr: 256 KiB per 250 ms and stream, then the writer waits. A flood must cost the model its
 * own time, never a core of the runner.
 */
export function createModelLog(): ModelLog {
  let chunks: Buffer[] = [];
  let size = 0;
  let dropped = 0;
  const keep = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= 2 * KEEP_BYTES) return;
    const all = Buffer.concat(chunks, size);
    dropped += size - KEEP_BYTES;
    chunks = [Buffer.from(all.subarray(size - KEEP_BYTES))];
    size = KEEP_BYTES;
  };
  return {
    drain(stream) {
      let left = BUDGET_BYTES;
      let timer: NodeJS.Timeout | undefined;
      const refill = () => {
        timer = undefined;
        left = BUDGET_BYTES;
        stream.resume();
      };
      stream.on("data", (chunk: Buffer) => {
        keep(chunk);
        left -= chunk.length;
        timer ??= setTimeout(refill, BUDGET_MS).unref();
        if (left <= 0) stream.pause();
      });
      stream.on("error", () => stream.destroy());
      stream.on("close", () => clearTimeout(timer));
    },
    text: () => Buffer.concat(chunks, size).subarray(-KEEP_BYTES).toString("utf8"),
    droppedBytes: () => dropped + Math.max(0, size - KEEP_BYTES),
  };
}
