import fc from "fast-check";
import { expect, test } from "vitest";
import { eventParser } from "./event-stream.ts";

const read = (...pieces: string[]): string[] => {
  const found: string[] = [];
  const parse = eventParser((data) => found.push(data));
  for (const piece of pieces) parse(piece);
  return found;
};

test("data of events; comments, names and ids are skipped; an unfinished event is not given out", () => {
  expect(read(":keep-alive\n\nevent: x\nid: 7\ndata:1\n\ndata: 2\n\ndata:3")).toEqual(["1", "2"]);
  expect(read("data:a\ndata:b\n\n", "\n\n")).toEqual(["a\nb"]);
});

test("lines end in LF, CR or both, and pieces may be cut anywhere", () => {
  const lines = fc.constantFrom("\n", "\r\n", "\r");
  fc.assert(
    fc.property(lines, fc.array(fc.nat(40)), (end, cuts) => {
      const text = ["data: one", "", ":c", "data:two", "data:three", "", ""].join(end);
      const pieces: string[] = [];
      let at = 0;
      for (const cut of cuts.filter((c) => c < text.length).sort((a, b) => a - b)) {
        pieces.push(text.slice(at, cut));
        at = cut;
      }
      // after a CR at the very end a LF could still come
      expect(read(...pieces, text.slice(at), ":")).toEqual(["one", "two\nthree"]);
    }),
  );
});
