import { expect, test } from "vitest";
import { splitPool } from "./split.ts";

const share = (address: string, frac64: number) => ({ address, frac64 });

test("three equal shares of 100: 34, 33, 33", () => {
  const shares = [share("a", 333_333_334), share("b", 333_333_333), share("c", 333_333_333)];
  expect(splitPool(100n, shares)).toEqual([
    { to: "a", amount: "34" },
    { to: "b", amount: "33" },
    { to: "c", amount: "33" },
  ]);
});
test("two shares of one wallet are one transfer, a share of nothing is none", () => {
  expect(splitPool(10n, [share("a", 500_000_000), share("b", 1), share("a", 499_999_999)])).toEqual([
    { to: "a", amount: "10" },
  ]);
});
test("an empty pool or an empty list pays nobody", () => {
  expect(splitPool(0n, [share("a", 1_000_000_000)])).toEqual([]);
  expect(splitPool(100n, [])).toEqual([]);
});
