import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsTable } from "../config.ts";

const readme = readFileSync(join(import.meta.dirname, "..", "README.md"), "utf8");

test("the README's table of settings is the schema's", () => {
  expect(/<!-- settings -->\n([\s\S]*)\n<!-- \/settings -->/.exec(readme)?.[1]).toBe(settingsTable());
});

test("the README stays short", () => expect(readme.split("\n").length).toBeLessThan(120));
