import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_KEYS, readJson } from "./json-read.ts";
import { float, writeJson } from "./json-write.ts";
import { VariantError } from "./variant-error.ts";

const bytes = (text: string) => Buffer.from(text);

describe("reading", () => {
  const refused: [name: string, text: string | Buffer, message: RegExp][] = [
    ["NaN, with its key", '{"a": {"b": NaN}}', /^NOT_FINITE: b: NaN/],
    ["the word NaN inside text is text", '{"a": "NaN", "c": -Infinity}', /^NOT_FINITE: c: -Infinity/],
    ["a number beyond a double", '{"a": [1, 1e999]}', /^NOT_FINITE: a\[1\]/],
    ["100,000 digits", `{"a": ${"9".repeat(100_000)}}`, /^NOT_FINITE/],
    ["depth 33", `${"[".repeat(33)}${"]".repeat(33)}`, /^TOO_DEEP/],
    ["a million brackets, at once", "[".repeat(1_000_000), /^TOO_DEEP/],
    ["more than 1 MiB", `"${"x".repeat(1 << 20)}"`, /^TOO_LARGE/],
    [
      "too many keys",
      JSON.stringify(Object.fromEntries(Array.from({ length: MAX_KEYS + 1 }, (_, i) => [`k${i}`, 1]))),
      /^TOO_MANY_KEYS/,
    ],
    ["__proto__", '{"a": {"__proto__": {}}}', /^BAD_KEY: a: .*__proto__/],
    ["constructor, escaped", '{"\\u0063onstructor": 1}', /^BAD_KEY/],
    ["NUL", '{"a": "x\\u0000"}', /^BAD_TEXT: a: /],
    ["half a surrogate pair in a key", '{"\\ud800": 1}', /^BAD_TEXT/],
    ["invalid UTF-8", Buffer.of(0x22, 0xff, 0x22), /^BAD_UTF8/],
    ["a byte order mark", "\ufeff{}", /^BAD_JSON/],
    ["nothing", "", /^BAD_JSON/],
  ];
  test.each(refused)("refuses %s", (_name, text, message) => {
    expect(() => readJson(Buffer.from(text as string))).toThrow(message);
  });

  test("keeps whole numbers exact and takes depth 32", () => {
    expect(readJson(bytes("[9007199254740991, 9007199254740993, -9007199254740993, 12345678901234567.5]"))).toEqual([
      9007199254740991,
      9007199254740993n,
      -9007199254740993n,
      12345678901234568,
    ]);
    expect(() => readJson(bytes(`${"[".repeat(32)}${"]".repeat(32)}`))).not.toThrow();
  });

  test("of any bytes it makes a value or one coded error", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .string({ unit: fc.constantFrom(...'[]{}",:\\u0123eE+-.NaIfinty \n'), maxLength: 60 })
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(noise, (input) => {
        try {
          readJson(input);
        } catch (error) {
          expect(error).toBeInstanceOf(VariantError);
        }
      }),
    );
  });
});

describe("writing", () => {
  test("what is written reads back the same", () => {
    const safe = fc
      .jsonValue({ maxDepth: 6 })
      .filter((value) => !/\\u0000|\\ud[89a-f]|"(__proto__|constructor|prototype)"/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(safe, (value) => {
        expect(readJson(bytes(writeJson(value)))).toEqual(value);
      }),
    );
  });

  test.each([
    [{ a: [1, Number.NaN] }, /^NOT_FINITE: a\[1\]: /],
    [{ a: undefined }, /^BAD_TYPE: a: undefined/],
    [{ a: new Date(0) }, /^BAD_TYPE: a: Date/],
    [[() => 1], /^BAD_TYPE: \[0\]: function/],
    [new Map([[1, 1]]), /^BAD_TYPE: key 1/],
  ])("refuses %o by its key", (value, message) => {
    expect(() => writeJson(value)).toThrow(message);
  });

  test("a circle ends", () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => writeJson(circle)).toThrow(/^TOO_DEEP/);
  });

  test("floats as Python writes them, keys in their order", () => {
    const floats = [
      float(93_000),
      1e-7,
      0.0001,
      0.00001,
      1e15,
      float(1e15),
      1e16,
      1.5e300,
      5e-324,
      -0,
      123456789012345680000,
      0.1 + 0.2,
    ];
    expect(writeJson(floats)).toBe(
      "[93000.0, 1e-07, 0.0001, 1e-05, 1000000000000000, 1000000000000000.0, 1e+16, 1.5e+300, 5e-324, -0.0, 1.2345678901234568e+20, 0.30000000000000004]",
    );
    expect(
      writeJson(
        new Map([
          ["10", 1],
          ["9", 2],
        ]),
      ),
    ).toBe('{"10": 1, "9": 2}');
  });
});
