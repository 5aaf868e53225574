import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HostKind } from "./host-program.ts";

const JAVASCRIPT_MAIN = ["main.ts", "main.mts", "main.mjs", "main.js", "main.cjs"];
const SKIPPED = new Set(["__pycache__", "node_modules", "venv", "site-packages"]);
const MAX_DEPTH = 16;

/**
 * The language of a submission by its files: JavaScript where package.json names a main file or one is called main, Python
 * where there is a .py file.
 * @throws Error saying what is missing or too much
 */
export async function submissionLanguage(code: string): Promise<HostKind> {
  const javascript = await javascriptMain(code);
  const python = await firstPython(code, "", 0);
  if (javascript && python)
    throw new Error(
      `The submission holds ${javascript} and ${python}: it is JavaScript or Python. Leave the files of one language.`,
    );
  if (javascript) return "javascript";
  if (python) return "python";
  throw new Error(
    "The submission holds no model: neither a .py file nor main.ts, main.mjs or main.js, and no package.json that names a main file.",
  );
}

async function javascriptMain(code: string): Promise<string | undefined> {
  const names = await readdir(code);
  if (names.includes("package.json")) {
    const text = await readFile(join(code, "package.json"), "utf8");
    const named = /"main"\s*:\s*"([^"]+)"/.exec(text)?.[1];
    if (named) return named;
  }
  return JAVASCRIPT_MAIN.find((name) => names.includes(name));
}

/** Path of a .py file, the nearest to the top. */
async function firstPython(code: string, below: string, depth: number): Promise<string | undefined> {
  const entries = (await readdir(join(code, below), { withFileTypes: true })).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  const file = entries.find((entry) => entry.isFile() && entry.name.endsWith(".py"));
  if (file) return join(below, file.name);
  if (depth === MAX_DEPTH) return undefined;
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
    const found = await firstPython(code, join(below, entry.name), depth + 1);
    if (found) return found;
  }
  return undefined;
}
