import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MarshalWriter } from "./marshal.ts";

// Python itself judges: what marshal reads must be what json reads, types included.
const JUDGE = `
import json, marshal, sys
for line in sys.stdin:
    text, data = line.rstrip("\\n").split("\\t")
    a, b = json.loads(bytes.fromhex(text)), marshal.loads(bytes.fromhex(data))
    print(repr(a) == repr(b))
`;
const marshalJson = (json: Buffer): Buffer | undefined => {
  const writer = new MarshalWriter();
  return writer.json(json) ? writer.bytes() : undefined;
};
const agree = (texts: readonly string[]): string[] => {
  const lines = texts.map(
    (text) => `${Buffer.from(text).toString("hex")}\t${marshalJson(Buffer.from(text))?.toString("hex")}`,
  );
  return execFileSync("python3", ["-c", JUDGE], { input: lines.join("\n") })
    .toString()
    .trim()
    .split("\n");
};

describe("JSON as Python's marshal", () => {
  test("every kind of value reads as Python's own JSON reader reads it", () => {
    const texts = [
      '{"candles":[{"ts":1700000000,"open":65000.0,"close":1e3},{"ts":1700000060,"open":65000,"close":-0.0}]}',
      "[0,-0,1,-1,2147483647,2147483648,-2147483648,-2147483649,9007199254740993,123456789012345678901234567890,-340282366920938463463374607431768211456]",
      "[1.0,1e5,1E-7,1.5e+300,0.1,5e-324]",
      ' { "a" : [ ] , "b" : { } , "a" : null, "é\\n\\u00e9\\ud83d\\ude00" : "\\"\\\\/" } ',
      "true",
      '""',
      "[[[[[]]]]]",
    ];
    expect(agree(texts)).toEqual(texts.map(() => "True"));
  });

  test("any JSON value, in any layout", () => {
    const texts = fc.sample(fc.jsonValue({ maxDepth: 4 }), { numRuns: 300, seed: 7 });
    const all = texts.flatMap((value) => [JSON.stringify(value), JSON.stringify(value, null, 1)]);
    expect(agree(all)).toEqual(all.map(() => "True"));
  });

  test("numbers of any length are the nearest double, or the very int", () => {
    const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 18 }).map((all) => all.join(""));
    const whole = digits.map((text) => text.replace(/^0+(?=\d)/, ""));
    const number = fc
      .tuple(fc.constantFrom("", "-"), whole, fc.option(digits), fc.constantFrom("", "", "", "e7", "E-12"))
      .map(([sign, front, back, power]) => `${sign}${front}${back === null ? "" : `.${back}`}${power}`);
    const texts = fc.sample(fc.array(number), { numRuns: 500, seed: 7 }).map((all) => `[${all.join(",")}]`);
    expect(agree(texts)).toEqual(texts.map(() => "True"));
  });

  test("records with the same keys, others, more, fewer, or in another order", () => {
    const records = [
      ...['{"a":1,"b":2.5}', '{"a":3,"b":4.5}', '{"b":5,"a":6}', '{"a":7}', '{"a":8,"b":9,"c":10}', '{"ab":1,"a":{}}'],
      ...[
        '{"a":{"a":1,"b":2},"b":{"a":3}}',
        '{"a\\"":1,"a":2}',
        '{"a\\"":3,"a":4}',
        '{ "a" : 1 , "b" : 2 }',
        "{}",
        '{"a":1,"a":2}',
      ],
    ];
    const texts = records.flatMap((one) => records.map((other) => `[${one},${other},${one}]`));
    expect(agree(texts)).toEqual(texts.map(() => "True"));
  });

  test.each([
    "NaN",
    "[1,]",
    '{"a":1,}',
    "{a:1}",
    "01",
    "1.",
    ".5",
    "+1",
    '"a',
    '"\\ud800"',
    "1e999",
    "[1] 2",
    "",
    "nul",
    `${"[".repeat(100)}${"]".repeat(100)}`,
    '"\u0001"',
  ])("%s is left to the host", (text) => {
    expect(marshalJson(Buffer.from(text))).toBeUndefined();
  });

  test("bytes that are no UTF-8 are left to the host", () => {
    expect(marshalJson(Buffer.from([0x22, 0xff, 0x22]))).toBeUndefined();
  });
});
