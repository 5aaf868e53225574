import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createOutputReader } from "./container-output.ts";

const piece = (stream: number, text: string | Buffer): Buffer => {
  const body = Buffer.from(text);
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
};
async function read(chunks: readonly Buffer[]): Promise<string> {
  const reader = createOutputReader();
  const parts: Buffer[] = [];
  reader.on("data", (part: Buffer) => parts.push(part));
  for (const chunk of chunks) reader.write(chunk);
  reader.end();
  await finished(reader);
  return Buffer.concat(parts).toString("latin1");
}

describe("output of a container", () => {
  test("comes out in the order it was written, wherever the engine cuts it", async () => {
    const texts = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.uint8Array({ maxLength: 40 })), {
      maxLength: 8,
    });
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(texts, cuts, async (pieces, at) => {
        const bytes = Buffer.concat(pieces.map(([stream, body]) => piece(stream, Buffer.from(body))));
        const places = [...new Set([0, ...at.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
          (a, b) => a - b,
        );
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        const expected = Buffer.concat(pieces.map(([, body]) => Buffer.from(body))).toString("latin1");
        expect(await read(chunks)).toBe(expected);
      }),
    );
  });

  test("of another format ends with an error instead of nonsense", async () => {
    await expect(read([Buffer.from("plain text of a terminal")])).rejects.toThrow(/not in Docker's format/);
    await expect(read([piece(1, "fine"), piece(3, "no such stream")])).rejects.toThrow(/not in Docker's format/);
    expect(await read([piece(1, "cut off in its hea"), Buffer.from([1, 0, 0])])).toBe("cut off in its hea");
  });

  test("waits for its reader: nothing more is taken in than the buffers hold", async () => {
    const reader = createOutputReader();
    const chunk = piece(1, Buffer.alloc(16_384, "A"));
    let taken = 0;
    while (taken < 1_000 && reader.write(chunk)) taken++;
    await sleep(20);
    expect(taken).toBeLessThan(20);
    reader.resume();
    await new Promise((resolve) => reader.once("drain", resolve));
  });
});
