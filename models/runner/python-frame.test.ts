import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { encodeVariant, VARIANT_TYPES, type Variant } from "../protocol/variant.ts";
import { type HostCall, KIND } from "./frames.ts";
import { encodePythonFrame } from "./python-frame.ts";

/** What Python reads out of a frame, by its own repr. */
const readByPython = (frame: Buffer): string =>
  execFileSync("python3", ["-c", "import marshal,sys; print(repr(marshal.loads(sys.stdin.buffer.read()[13:])))"], {
    input: frame,
  })
    .toString()
    .trim();
const json = (text: string): Variant => ({ type: VARIANT_TYPES.JSON, value: Buffer.from(text) });
const call = (args: Variant[], kwargs: HostCall["kwargs"] = []): HostCall => ({ name: "f", args, kwargs });

test("values are Python's; the head tells length, kind, number and time", () => {
  const args = [encodeVariant("NONE", null), encodeVariant("DOUBLE", 2), encodeVariant("INT", 2n ** 62n)];
  const kwargs = [
    { keyword: "é", data: encodeVariant("STRING", "ü") },
    { keyword: "j", data: json('{"a":[1,1.0]}') },
  ];
  const frame = encodePythonFrame(KIND.BATCH, 258, [call(args, kwargs)], 1499.2, true);
  expect(readByPython(frame)).toBe(
    "(('f', (None, 2.0, 4611686018427387904), {'é': 'ü', 'j': {'a': [1, 1.0]}}, False),)",
  );
  const [length, kind, id, timeout] = [frame.readUInt32LE(0), frame[4], frame.readUInt32LE(5), frame.readUInt32LE(9)];
  expect([length, kind, id, timeout]).toEqual([frame.length - 4, KIND.BATCH, 258, 1500]);
});

test("what only the host can judge goes as it came, and leaves no trace in what follows", () => {
  const odd: Variant[] = [
    json('{"k":1,"m":'),
    { type: VARIANT_TYPES.INT, value: Buffer.of(1) },
    { type: VARIANT_TYPES.STRING, value: Buffer.of(0xff) },
    { type: VARIANT_TYPES.ARROW, value: Buffer.of(7) },
  ];
  const frame = encodePythonFrame(KIND.BATCH, 1, [call([...odd, json('{"m":1,"k":2}')])], 1000, true);
  expect(readByPython(frame)).toBe(
    `(('f', ((6, b'{"k":1,"m":'), (2, b'\\x01'), (3, b'\\xff'), (5, b'\\x07'), {'m': 1, 'k': 2}), {}, True),)`,
  );
});

test("large JSON is read here for many hosts only; a frame keeps its bytes when the next is made", () => {
  const large = json(JSON.stringify({ a: "x".repeat(100_000) }));
  const first = encodePythonFrame(KIND.BATCH, 1, [call([json("[1]")])], 1000, true);
  const one = readByPython(encodePythonFrame(KIND.BATCH, 2, [call([large])], 1000, false));
  const many = readByPython(encodePythonFrame(KIND.BATCH, 3, [call([large])], 1000, true));
  expect([one.slice(0, 16), one.endsWith("True),)")]).toEqual([`(('f', ((6, b'{"`.slice(0, 16), true]);
  expect([many.slice(0, 12), many.endsWith("False),)")]).toEqual(["(('f', ({'a'", true]);
  expect(readByPython(first)).toBe("(('f', ([1],), {}, False),)");
});
