import { Transform } from "node:stream";

const HEAD_BYTES = 8;
const STDERR = 2;

/**
 * Takes the engine's attach stream apart: before each piece stand its stream (u8 0-2), three zeros and its length (u32 big-endian).
 * What comes out is stdout and stderr in the order they were written. Back-pressure passes through, so a flood waits in
 * the engine. Anything else than such pieces ends the stream with an error.
 */
export function createOutputReader(): Transform {
  let head = Buffer.alloc(0);
  let left = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const piece = chunk.subarray(at, at + left);
          this.push(piece);
          left -= piece.length;
          at += piece.length;
          continue;
        }
        const missing = chunk.subarray(at, at + HEAD_BYTES - head.length);
        head = Buffer.concat([head, missing]);
        at += missing.length;
        if (head.length < HEAD_BYTES) break;
        if (head[0]! > STDERR || head.readUIntBE(1, 3) !== 0)
          return done(new Error("The engine's output stream is not in Docker's format."));
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
      }
      done();
    },
  });
}
