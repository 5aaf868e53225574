import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { writeFiles } from "../fixtures/test-host.ts";
import { submissionLanguage } from "./language.ts";

const of = async (files: Record<string, string>): Promise<string> => {
  const folder = await writeFiles(files);
  try {
    return await submissionLanguage(folder);
  } catch (error) {
    return (error as Error).message;
  } finally {
    await rm(folder, { recursive: true });
  }
};

test.each<[string, Record<string, string>, string | RegExp]>([
  ["one Python file", { "m.py": "" }, "python"],
  ["Python in a folder", { "a/b/m.py": "", "README.md": "" }, "python"],
  ["main.ts", { "main.ts": "", "src/x.ts": "" }, "javascript"],
  ["a main of package.json", { "package.json": '{"main": "src/x.mjs"}', "src/x.mjs": "" }, "javascript"],
  ["Python beside a package.json that names no main", { "package.json": "{}", "m.py": "" }, "python"],
  ["Python of a package of Node's", { "main.mjs": "", "node_modules/p/setup.py": "" }, "javascript"],
  ["both", { "main.js": "", "tools/m.py": "" }, /holds main\.js and tools\/m\.py: it is JavaScript or Python/],
  ["neither", { "README.md": "" }, /^The submission holds no model: /],
  ["nothing", {}, /^The submission holds no model: /],
])("%s", async (_name, files, expected) => {
  const got = await of(files);
  if (typeof expected === "string") expect(got).toBe(expected);
  else expect(got).toMatch(expected);
});
