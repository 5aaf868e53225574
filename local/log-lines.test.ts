import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createLogPrinter, readLines } from "./log-lines.ts";

async function linesOf(...chunks: (string | Buffer)[]): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, (line) => lines.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await new Promise((resolve) => stream.once("close", resolve));
  return lines;
}

test("lines come whole, whatever the chunks, letters cut in the middle too", async () => {
  const euro = Buffer.from("a€b\nlast");
  expect(await linesOf("one\ntw", "o\n\n", euro.subarray(0, 2), euro.subarray(2))).toEqual([
    "one",
    "two",
    "",
    "a€b",
    "last",
  ]);
});

test("a line without an end is cut instead of kept in memory", async () => {
  const lines = await linesOf(
    ..."x"
      .repeat(5)
      .split("")
      .map(() => "y".repeat(30_000)),
    "\n",
  );
  expect(lines.every((line) => line.length <= 64 * 1024)).toBe(true);
  expect(lines.length).toBeGreaterThan(1);
});

test("JSON becomes readable, other text stays, every line has its role in front", () => {
  const written: string[] = [];
  const print = createLogPrinter((text) => written.push(text), false)("feed,predict");
  print('{"level":30,"time":0,"pid":1,"hostname":"h","role":"feed","round":"r1","msg":"collected"}');
  print("plain text");
  print("{not json");
  expect(written[0]).toMatch(/^feed,predict {5}\[\d\d:\d\d:\d\d\] INFO: collected \{"round":"r1"\}\n$/);
  expect(written.slice(1)).toEqual(["feed,predict     plain text\n", "feed,predict     {not json\n"]);
});
