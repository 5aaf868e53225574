import { describe, expect, it } from "vitest";
import { idList, limitParameter, rangeOf, strictQuery, timeParameter, toZoneless } from "./common.ts";

describe("parameters", () => {
  it.each([
    ["2026-11-21T00:00:00Z", "2026-11-21T00:00:00.000Z"],
    ["2026-11-21T02:00:00+02:00", "2026-11-21T00:00:00.000Z"],
    ["2026-11-21T00:00:00", "2026-11-21T00:00:00.000Z"],
    ["2026-11-21", "2026-11-21T00:00:00.000Z"],
  ])("time %s", (text, expected) => {
    expect(timeParameter.parse(text).toISOString()).toBe(expected);
  });

  it.each(["yesterday", "", "2026-13-01T00:00:00Z", "2026-11-21T02:00:00 02:00"])("refuses the time %j", (text) => {
    expect(timeParameter.safeParse(text).success).toBe(false);
  });

  it.each([
    ["a,b", ["a", "b"]],
    [
      ["a", "b,c"],
      ["a", "b", "c"],
    ],
    [" a , ", ["a"]],
  ])("ids %j", (value, expected) => {
    expect(idList.parse(value)).toEqual(expected);
  });
  it("refuses more than 50 ids", () => {
    expect(idList.safeParse(Array.from({ length: 51 }, (_, i) => i).join(",")).success).toBe(false);
  });

  it.each(["0", "201", "1.5", "x"])("refuses the limit %s of 200", (text) => {
    expect(limitParameter(20, 200).safeParse(text).success).toBe(false);
  });

  it("names the known parameters when one is unknown", () => {
    const refused = strictQuery({ limit: limitParameter(1, 2) }).safeParse({ lmit: "1" });
    expect(refused.error?.issues[0]?.message).toBe("unknown parameter lmit; there are limit");
  });
});

it("takes the last seven days where no range is asked", () => {
  const now = Date.parse("2026-11-21T00:00:00Z");
  expect(rangeOf({}, now)).toEqual({ end: new Date(now + 1), start: new Date(now + 1 - 7 * 86_400_000) });
});

it.each([
  ["2026-11-21T00:00:00.000Z", "2026-11-21T00:00:00"],
  ["2026-11-21T00:00:00.120Z", "2026-11-21T00:00:00.120000"],
])("zone-less %s", (iso, expected) => {
  expect(toZoneless(new Date(iso))).toBe(expected);
});
