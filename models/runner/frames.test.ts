import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeVariant } from "../protocol/variant.ts";
import { createFrameReader, decodeAnswers, encodeFrame, KIND, MAX_FRAME_BYTES, unframeable } from "./frames.ts";

const frame = (body: Buffer) => Buffer.concat([Buffer.from(new Uint32Array([body.length]).buffer), body]);

describe("frame reader", () => {
  test("cuts any stream into the same frames, however it is chopped", () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 5, maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (sent, sizes) => {
        const got: string[] = [];
        const read = createFrameReader(
          (body) => got.push(body.toString("hex")) > 0,
          () => expect.unreachable(),
        );
        const stream = Buffer.concat(sent.map((body) => frame(Buffer.from(body))));
        for (let at = 0; at < stream.length; ) {
          const size = sizes.next().value ?? 1;
          read(stream.subarray(at, at + size));
          at += size;
        }
        expect(got).toEqual(sent.map((body) => Buffer.from(body).toString("hex")));
      }),
    );
  });

  test.each([MAX_FRAME_BYTES + 1, 50 << 20, 0xffffffff, 4, 0])(
    "a length of %i is noticed from its four bytes alone",
    (length) => {
      const seen: number[] = [];
      createFrameReader(
        () => expect.unreachable(),
        (size) => seen.push(size),
      )(Buffer.from(new Uint32Array([length]).buffer));
      expect(seen).toEqual([length]);
    },
  );
});

describe("answers", () => {
  test("of any bytes it makes answers or an error, never more bytes than came", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          const { answers } = decodeAnswers(Buffer.from(bytes));
          expect(answers.reduce((sum, answer) => sum + answer.value.length, 0)).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe("calls", () => {
  test("layout of a batch", () => {
    const call = {
      name: "f",
      args: [encodeVariant("STRING", "x")],
      kwargs: [{ keyword: "k", data: encodeVariant("NONE", null) }],
    };
    const bytes = encodeFrame(KIND.BATCH, 258, [call], 1500);
    expect(bytes.toString("hex")).toBe("1b000000010201000001dc05000001660103010000007801016b0000000000");
  });

  test("names and counts that have no room are told", () => {
    expect(unframeable({ name: "x".repeat(256), args: [], kwargs: [] })).toMatch(/^a name longer than 255 bytes: x+…$/);
    expect(
      unframeable({ name: "x", args: Array.from({ length: 256 }, () => encodeVariant("NONE", null)), kwargs: [] }),
    ).toBe("more than 255 arguments");
  });
});
