import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const EVERYTHING = [
  "domain",
  "proofs",
  "competitions",
  "feeds",
  "models",
  "chain",
  "db",
  "activities",
  "workflows",
  "workers",
  "api",
  "local",
  "cli",
  "config.ts",
  "settings.ts",
  "package.json",
];

/** Code imports point this way only; imports of types are free. config.ts is read where settings are composed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  domain: [],
  proofs: ["domain"],
  competitions: ["domain", "proofs/hash.ts", "proofs/canonical.ts"],
  feeds: ["domain"],
  db: ["domain"],
  models: ["domain", "proofs"],
  chain: ["domain", "proofs"],
  activities: ["domain", "proofs", "competitions", "feeds", "models", "chain", "db"],
  workflows: ["domain", "proofs"],
  api: ["domain", "proofs", "competitions", "db"],
  web: ["domain", "proofs"],
  workers: EVERYTHING,
  local: EVERYTHING,
  cli: EVERYTHING,
  bench: [...EVERYTHING, "tests", "bench"],
  tests: [...EVERYTHING, "web", "bench", "tests"],
};
/** Folders of the drawing that hold no TypeScript of the node. */
const OTHER = ["docs", "protos"];

const isTest = (file: string): boolean => /\.test\.tsx?$/.test(file);
const ignored = new Set(["node_modules", "dist", "challenge", "vectors", "histories"]);

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || ignored.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sourceFiles(path) : /\.(ts|tsx|mjs)$/.test(entry.name) ? [path] : [];
  });
}

/** Specifiers of imports that remain when types are stripped. */
function codeImports(source: string): string[] {
  const statements = source.matchAll(/^(?:import|export)\s+(?!type\b)([^;]*?)\s*from\s+"([^"]+)"/gm);
  const kept = [...statements].filter(([, names]) => !isTypesOnly(names!)).map((m) => m[2]!);
  const bare = [...source.matchAll(/^import\s+"([^"]+)"/gm)].map((m) => m[1]!);
  const dynamic = [...source.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)].map((m) => m[1]!);
  return [...kept, ...bare, ...dynamic];
}
const isTypesOnly = (names: string): boolean => {
  const inside = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1] ?? "a value";
  return inside
    .split(",")
    .map((n) => n.trim())
    .filter(Boolean)
    .every((n) => n.startsWith("type "));
};

const folderOf = (path: string): string => relative(ROOT, path).split(sep)[0]!;
const allowed = (folder: string, target: string): boolean => {
  const path = relative(ROOT, target).replaceAll(sep, "/");
  return (
    path.startsWith(`${folder}/`) || MAY_IMPORT[folder]!.some((entry) => path === entry || path.startsWith(`${entry}/`))
  );
};

const folders = readdirSync(ROOT).filter(
  (name) =>
    !name.startsWith(".") &&
    !["node_modules", "dist", "coverage"].includes(name) &&
    statSync(join(ROOT, name)).isDirectory(),
);

describe("folders", () => {
  test("each is in the drawing, and none is empty", () => {
    expect(folders.filter((f) => !(f in MAY_IMPORT) && !OTHER.includes(f))).toEqual([]);
    expect(folders.filter((f) => readdirSync(join(ROOT, f)).length === 0)).toEqual([]);
  });
});

describe("imports point one way", () => {
  test.each(Object.keys(MAY_IMPORT))("%s", (folder) => {
    const files = folders.includes(folder) ? sourceFiles(join(ROOT, folder)) : [];
    const forbidden = files
      .filter((file) => folder === "tests" || !isTest(file)) // a test beside its source composes what it needs
      .flatMap((file) =>
        codeImports(readFileSync(file, "utf8"))
          .filter((s) => s.startsWith("."))
          .map((s) => [file, resolve(dirname(file), s)] as const),
      )
      .filter(([file, target]) => !allowed(folderOf(file), target))
      .map(([file, target]) => `${relative(ROOT, file)} imports ${relative(ROOT, target)}`);
    expect(forbidden).toEqual([]);
    if (folders.includes(folder)) expect(files.length, `${folder} has sources to look at`).toBeGreaterThan(0);
  });

  test.each(["domain", "proofs"])("%s reaches no node: module and no package", (folder) => {
    const outside = sourceFiles(join(ROOT, folder))
      .filter((file) => !isTest(file))
      .flatMap((file) =>
        codeImports(readFileSync(file, "utf8"))
          .filter((s) => !s.startsWith("."))
          .map((s) => `${relative(ROOT, file)} imports ${s}`),
      );
    expect(outside).toEqual([]);
  });

  test("process.env is read by config.ts alone, beside the composition roots", () => {
    const readers = folders
      .filter((f) => !["workers", "local", "cli", "bench", "tests"].includes(f) && f in MAY_IMPORT)
      .flatMap((f) => sourceFiles(join(ROOT, f)))
      .filter((file) => !isTest(file) && readFileSync(file, "utf8").includes("process.env"))
      .map((file) => relative(ROOT, file));
    expect(readers).toEqual([]);
  });

  test("the check itself sees what it forbids", () => {
    expect(
      codeImports(
        'import { a } from "../db/x.ts";\nimport type { B } from "../chain/y.ts";\nimport { type C } from "./z.ts";\nexport { d } from "./w.ts";',
      ),
    ).toEqual(["../db/x.ts", "./w.ts"]);
    expect(allowed("domain", join(ROOT, "db/feeds.ts"))).toBe(false);
    expect(allowed("activities", join(ROOT, "db/feeds.ts"))).toBe(true);
  });
});
