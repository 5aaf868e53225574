import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundledPrograms, isFresh } from "./programs.ts";

const REAL = resolve(import.meta.dirname, "..");
const SLOW_MS = 120_000; // a real bundler in a process of its own, on a busy machine
let root: string;
let folder: string;
let said: string[];

/** A clone in small: two programs, what they import, and the real packages. */
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "almanac-programs-")));
  folder = join(root, ".almanac/programs");
  said = [];
  for (const name of ["local", "domain", "competitions/one"]) mkdirSync(join(root, name), { recursive: true });
  for (const name of ["programs.ts", "bundle-programs.ts", "bundled.mjs"])
    cpSync(join(REAL, "local", name), join(root, "local", name));
  symlinkSync(join(REAL, "node_modules"), join(root, "node_modules"));
  writeFileSync(join(root, "package.json"), '{ "type": "module" }');
  writeFileSync(join(root, "domain/rule.ts"), "export const rule: string = 'first';\n");
  writeFileSync(
    join(root, "competitions/one/competition.ts"),
    "import { rule } from '../../domain/rule.ts';\nexport default { rule };\n",
  );
  writeFileSync(
    join(root, "local/start.ts"),
    `import { z } from "zod";
import { rule } from "../domain/rule.ts";
const { default: competition } = await import(${JSON.stringify(pathToFileURL(join(root, "competitions/one/competition.ts")).href)});
const stack = String(new Error().stack);
console.log(JSON.stringify({ rule: z.string().parse(rule), competition, here: import.meta.dirname, stack, stripper: process.moduleLoadList.some((m) => m.includes("amaro")) }));
`,
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const bundled = () => bundledPrograms(root, folder, (line) => said.push(line));
const run = (flags: readonly string[]) =>
  JSON.parse(execFileSync(process.execPath, [...flags, join(root, "local/start.ts")], { encoding: "utf8" }));

test(
  "a program and the competition that it loads run from bundles, as if from their sources",
  () => {
    const preload = bundled();
    expect(said).toEqual(["bundling the programs (a few seconds)"]);
    const { stack, stripper, ...answer } = run(["--import", preload ?? ""]);
    expect(answer).toEqual({ rule: "first", competition: { rule: "first" }, here: join(root, "local") });
    expect(stack).toContain(folder);
    expect(stripper).toBe(false);
    expect(run([])).toMatchObject({ rule: "first", stripper: true }); // the check sees what it looks for
  },
  SLOW_MS,
);

test(
  "they are made again when a source changed or a program is new, and only then",
  () => {
    bundled();
    expect(isFresh(root, folder)).toBe(true);
    bundled();
    expect(said).toHaveLength(1);

    writeFileSync(join(root, "domain/rule.ts"), "export const rule: string = 'second';\n");
    expect(isFresh(root, folder)).toBe(false);
    expect(run(["--import", bundled() ?? ""])).toMatchObject({ rule: "second", competition: { rule: "second" } });

    cpSync(join(root, "competitions/one"), join(root, "competitions/two"), { recursive: true });
    expect(isFresh(root, folder)).toBe(false);
    bundled();
    expect(isFresh(root, folder)).toBe(true);

    rmSync(join(root, "domain/rule.ts"));
    expect(isFresh(root, folder)).toBe(false);
  },
  SLOW_MS,
);

test(
  "old bundles go, the newest stay for nodes that run from them",
  () => {
    for (let change = 0; change < 5; change++) {
      appendFileSync(join(root, "domain/rule.ts"), `// ${change}\n`);
      bundled();
    }
    expect(readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())).toHaveLength(3);
  },
  SLOW_MS,
);

test(
  "a source that cannot be read: it is said, and programs run from their sources",
  () => {
    writeFileSync(join(root, "domain/rule.ts"), "export const rule = ;\n");
    expect(bundled()).toBeUndefined();
    expect(said.at(-1)).toMatch(/run from their sources[\s\S]*rule\.ts/);
  },
  SLOW_MS,
);

test("without development packages nothing is made", () => {
  rmSync(join(root, "node_modules"));
  expect(bundled()).toBeUndefined();
  expect(said).toEqual([]);
});
