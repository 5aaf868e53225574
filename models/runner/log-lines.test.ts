import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createModelLog } from "./log-drain.ts";
import { withLines } from "./log-lines.ts";

test("lines come whole, each stream's own, the last one without its end at the end", async () => {
  const lines: string[] = [];
  const log = withLines(createModelLog(), (line) => lines.push(line));
  const [out, err] = [new PassThrough(), new PassThrough()];
  log.drain(out);
  log.drain(err);
  out.write("first\nsec");
  err.write("error\n");
  out.write("ond\n");
  const [head, tail] = [Buffer.from("ü").subarray(0, 1), Buffer.from("ü").subarray(1)];
  out.write(head);
  out.write(tail);
  out.end("ber");
  await expect.poll(() => lines.toSorted()).toEqual(["error", "first", "second", "über"].toSorted());
  expect(log.text()).toContain("über"); // of both streams, as it came
});

test("a line without end is cut, and the log is kept as before", async () => {
  const lines: string[] = [];
  const log = withLines(createModelLog(), (line) => lines.push(line));
  const stream = new PassThrough();
  log.drain(stream);
  stream.end("x".repeat(40_000));
  await expect.poll(() => lines.map((line) => line.length)).toEqual([16_384, 16_384, 7_232]);
  expect(log.text()).toHaveLength(40_000);
});
