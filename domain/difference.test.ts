import { expect, test } from "vitest";
import { firstDifference } from "./difference.ts";

test.each([
  {
    name: "equal objects whatever the order of names",
    a: { x: 1, y: [1, { z: null }] },
    b: { y: [1, { z: null }], x: 1 },
  },
  { name: "-0 and 0, which JSON does not tell apart", a: { x: 0 }, b: { x: -0 } },
  { name: "an absent field and one that is undefined", a: { x: 1 }, b: { x: 1, y: undefined } },
])("$name: no difference", ({ a, b }) => {
  expect(firstDifference(a, b)).toBeNull();
});

test.each([
  { a: { x: 0.1 + 0.2 }, b: { x: 0.3 }, field: "x", stored: 0.1 + 0.2, recomputed: 0.3 },
  { a: { b: 1, a: 1 }, b: { b: 2, a: 2 }, field: "a", stored: 1, recomputed: 2 },
  { a: { c: [{ v: 1 }, { v: 2 }] }, b: { c: [{ v: 1 }, { v: 3 }] }, field: "c.1.v", stored: 2, recomputed: 3 },
  { a: { c: [1, 2] }, b: { c: [1] }, field: "c.length", stored: 2, recomputed: 1 },
  { a: { c: 1 }, b: {}, field: "c", stored: 1, recomputed: undefined },
  { a: {}, b: { c: 1 }, field: "c", stored: undefined, recomputed: 1 },
  { a: { c: null }, b: { c: {} }, field: "c", stored: null, recomputed: {} },
  { a: { c: [] }, b: { c: {} }, field: "c", stored: [], recomputed: {} },
  { a: { c: "1" }, b: { c: 1 }, field: "c", stored: "1", recomputed: 1 },
])("$a against $b: $field", ({ a, b, ...difference }) => {
  expect(firstDifference(a, b)).toEqual(difference);
});
