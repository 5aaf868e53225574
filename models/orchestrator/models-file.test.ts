import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readModelsFile } from "./models-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "almanac-models-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (text: string) => {
  const path = join(folder, "models.yaml");
  writeFileSync(path, text);
  return readModelsFile(path);
};
const entry = "{id: 1, code: a.py, crunch_id: c, cruncher_id: alice, desired_state: RUNNING}";

describe("models file", () => {
  test("paths are relative to the file, ids are text, an empty list is a list", async () => {
    expect(await read(`packages: [p]\nmodels: [${entry}]`)).toMatchObject([
      { id: "1", code: join(folder, "a.py"), packages: [join(folder, "p")], trusted: false },
    ]);
    expect(await read("models:")).toEqual([]);
  });

  test("an edited file makes another version, an untouched one does not", async () => {
    const code = join(folder, "a.py");
    writeFileSync(code, "x = 1");
    const [first] = await read(`models: [${entry}]`);
    const [second] = await read(`models: [${entry}]`);
    utimesSync(code, 1, 1);
    const [third] = await read(`models: [${entry}]`);
    expect(second?.version).toBe(first?.version);
    expect(third?.version).not.toBe(first?.version);
  });

  test.each([
    ["models: [{id: 1}]", /^models\.0\.code: /],
    [`models: [${entry.replace("RUNNING", "MAYBE")}]`, /^models\.0\.desired_state: /],
    [`models: [${entry.replace("id: 1", 'id: "../x"')}]`, /^models\.0\.id: letters, digits/],
    [`models: [${entry}, ${entry}]`, /the id 1 stands there twice/],
    ["models: [{id: a, code: ", /./],
    ["[]", /expected object/],
  ])("%s is refused by name", async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});
