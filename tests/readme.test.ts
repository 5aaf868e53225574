import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsTable } from "../config.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, "..", name), "utf8");
const readme = read("README.md");

test("the table of settings is the schema's", () => {
  expect(/<!-- settings -->\n([\s\S]*)\n<!-- \/settings -->/.exec(read("docs/settings.md"))?.[1]).toBe(settingsTable());
});

test("the README stays short", () => expect(readme.split("\n").length).toBeLessThan(120));
