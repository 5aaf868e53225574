import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type ModelsFile, readModelsFile, watchModelsFile } from "./models-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "almanac-models-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (text: string) => {
  const path = join(folder, "models.yaml");
  writeFileSync(path, text);
  return readModelsFile(path, "own-crunch");
};
const modelsOf = async (text: string) => (await read(text)).models;
const entry = "{id: 1, code: a.py, crunch_id: c, cruncher_id: alice, desired_state: RUNNING}";

describe("models file", () => {
  test("paths are relative to the file, ids are text, an empty list is a list", async () => {
    expect(await modelsOf(`packages: [p]\nmodels: [${entry}]`)).toMatchObject([
      { id: "1", code: join(folder, "a.py"), packages: [join(folder, "p")], trusted: false },
    ]);
    expect(await modelsOf("models:")).toEqual([]);
  });

  test("an edited file makes another version, an untouched one does not", async () => {
    const code = join(folder, "a.py");
    writeFileSync(code, "x = 1");
    const [first] = await modelsOf(`models: [${entry}]`);
    const [second] = await modelsOf(`models: [${entry}]`);
    utimesSync(code, 1, 1);
    const [third] = await modelsOf(`models: [${entry}]`);
    expect(second?.version).toBe(first?.version);
    expect(third?.version).not.toBe(first?.version);
  });

  test("an entry of the public orchestrator's file is understood as it is", async () => {
    const text = `models:
  - {id: 7, name: n, submission_id: 20260101_1, resource_id: r, hardware_type: CPU, crunch_id: c, cruncher_id: x, desired_state: running, model_name: m, cruncher_name: y}
  - {id: 8, submission_id: s, cruncher_id: x, desired_state: STOPPED}`;
    expect(await modelsOf(text)).toMatchObject([
      {
        id: "7",
        code: join(folder, "submissions/20260101_1"),
        crunch_id: "c",
        desired_state: "RUNNING",
        hardware_type: "CPU",
      },
      { id: "8", code: join(folder, "submissions/s"), crunch_id: "own-crunch", desired_state: "STOPPED" },
    ]);
  });

  test("packages are known without a model", async () => {
    expect(await read("packages: [p]")).toMatchObject({ models: [], packages: [join(folder, "p")] });
  });

  test.each([
    ["models: [{id: 1}]", /^models\.0\.cruncher_id: /],
    [`models: [${entry.replace("code: a.py, ", "")}]`, /^models\.0\.code: give the path/],
    [`models: [${entry.replace("RUNNING", "MAYBE")}]`, /^models\.0\.desired_state: /],
    [`models: [${entry.replace("id: 1", 'id: "../x"')}]`, /^models\.0\.id: letters, digits/],
    [`models: [${entry}, ${entry}]`, /the id 1 stands there twice/],
    ["models: [{id: a, code: ", /./],
    ["[]", /expected object/],
  ])("%s is refused by name", async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});

test("who watches the file sees edited code under an untouched text, and the text again after a mistake in it", async () => {
  const own = mkdtempSync(join(folder, "watched-"));
  const path = join(own, "models.yaml");
  const [text, code] = [`models: [${entry}]`, join(own, "a.py")];
  writeFileSync(path, text);
  writeFileSync(code, "x = 1");
  const seen: ModelsFile[] = [];
  const logger = pino({ level: "silent" });
  const watch = watchModelsFile({ path, crunchId: "c", everyMs: 5, logger, onModels: (file) => seen.push(file) });
  const until = (count: number) => vi.waitFor(() => expect(seen.length).toBe(count));
  await until(1);
  utimesSync(code, 1, 1);
  await until(2);
  writeFileSync(path, "models: [");
  await new Promise((resolve) => setTimeout(resolve, 50));
  writeFileSync(path, text);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(seen.length).toBe(2); // the same as before: nothing to tell
  writeFileSync(path, text.replace("id: 1", "id: 2"));
  await until(3);
  watch.close();
  expect(seen.map(({ models }) => models[0]?.id)).toEqual(["1", "1", "2"]);
  expect(seen[1]?.models[0]?.version).not.toBe(seen[0]?.models[0]?.version);
});
