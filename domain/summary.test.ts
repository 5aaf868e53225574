import { expect, test } from "vitest";
import { meanOfFields } from "./summary.ts";

test("numbers are averaged over the results that have them; booleans, texts and what is not finite are no numbers", () => {
  const results = [
    { value: 1, success: true, note: "x", odd: Number.NaN },
    { value: 2, extra: 7, note: "y", odd: 3 },
  ];
  expect(meanOfFields(results)).toEqual({ value: 1.5, extra: 7, odd: 3 });
  expect(meanOfFields([])).toEqual({});
});
