import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { localRegistry, noRecipients, recipientsFile } from "./recipients.ts";

const dir = mkdtempSync(join(tmpdir(), "almanac-recipients-"));
afterAll(() => rmSync(dir, { recursive: true }));
const A = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
const B = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const file = (entries: unknown): string => {
  const path = join(dir, `${Math.random()}.json`);
  writeFileSync(path, JSON.stringify(entries));
  return path;
};
const people = [
  { id: "1", name: "ann" },
  { id: "2", name: "bob" },
  { id: "3", name: "eve" },
];

test("the local registry gives each cruncher a wallet of its own, always the same, and its place", async () => {
  const [first, again] = [
    await localRegistry.resolve(people),
    await localRegistry.resolve([...people, { id: "4", name: "new" }]),
  ];
  expect(new Set([...first.values()].map((r) => r.address)).size).toBe(3);
  for (const { id } of people) expect(again.get(id)).toEqual(first.get(id));
  expect(again.get("4")?.cruncherIndex).toBe(3);
});
test("the file matches by id, else by name, and leaves out whom it does not know", async () => {
  const found = await recipientsFile(
    file([
      { id: "1", name: "x", address: A, cruncherIndex: 7 },
      { name: "bob", address: B, cruncherIndex: 8 },
    ]),
  ).resolve(people);
  expect(found.get("1")).toEqual({ address: A, name: "x", cruncherIndex: 7 });
  expect(found.get("2")?.address).toBe(B);
  expect(found.has("3")).toBe(false);
  expect((await noRecipients.resolve(people)).size).toBe(0);
});
test("a cruncher whose id is an address on the list is that entry, whatever names say; one wallet may serve two", async () => {
  const found = await recipientsFile(
    file([
      { name: "ann", address: A, cruncherIndex: 7 },
      { name: "bob", address: B, cruncherIndex: 8 },
      { name: "eve", address: B, cruncherIndex: 9 },
    ]),
  ).resolve([
    { id: A, name: "bob" },
    { id: B, name: "eve" },
  ]);
  expect([...found.values()].map((r) => r.cruncherIndex)).toEqual([7, 9]);
});
test("a file that is not there, or no JSON, is named", async () => {
  await expect(recipientsFile(join(dir, "none.json")).resolve(people)).rejects.toThrow("none.json");
  const broken = join(dir, "broken.json");
  writeFileSync(broken, "[{");
  await expect(recipientsFile(broken).resolve(people)).rejects.toThrow(`RECIPIENTS_FILE ${broken} is no JSON`);
});
test.each([
  ["an address that is none", [{ name: "a", address: "xyz", cruncherIndex: 1 }], "not a base58 address"],
  [
    "one name twice",
    [
      { name: "a", address: A, cruncherIndex: 1 },
      { name: "a", address: B, cruncherIndex: 2 },
    ],
    "two entries with name a",
  ],
  [
    "one place twice",
    [
      { name: "a", address: A, cruncherIndex: 1 },
      { name: "b", address: B, cruncherIndex: 1 },
    ],
    "two entries with cruncherIndex 1",
  ],
])("%s is refused", async (_, entries, message) => {
  await expect(recipientsFile(file(entries)).resolve(people)).rejects.toThrow(message);
});
