import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { localPath, readConfig } from "../config.ts";
import { isStale } from "../local/builds.ts";
import { programPath } from "../local/program.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** What workflow code is made of; anything else it reaches does not bundle. */
const SOURCES = ["workflows", "domain", "proofs", "workers/bundle.ts", "package-lock.json"].map((source) =>
  join(ROOT, source),
);

/**
 * Stack traces keep file and line of the sources, not their text and columns: every workflow thread holds the bundle
 * and its map, and their full form costs it 10 MB.
 */
const SOURCE_MAP = "inline-nosources-cheap-module-source-map";
const BEYOND_LATIN1 = /[^\0-\xff]/g;

/** One such character, in a comment even, makes V8 keep all of the code at two bytes a character. */
const inLatin1 = (code: string): string =>
  code.replace(BEYOND_LATIN1, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The workflow code in one file, built when it is absent or older than its sources. */
export async function workflowBundle(file: string): Promise<{ codePath: string }> {
  if (isStale(file, SOURCES)) {
    const { code } = await bundleWorkflowCode({
      workflowsPath: programPath("workflows/index"),
      logger: new DefaultLogger("WARN"),
      webpackConfigHook: (config) => ({ ...config, devtool: SOURCE_MAP }),
    });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.${process.pid}`, inLatin1(code));
    await rename(`${file}.${process.pid}`, file); // whole or not at all: several roles may build at once
  }
  return { codePath: resolve(file) };
}

export const BUNDLE_FILE = "workflows-bundle.js";

if (import.meta.main) {
  const { codePath } = await workflowBundle(localPath(readConfig(), BUNDLE_FILE));
  process.stdout.write(`workflow bundle: ${codePath}\n`);
}
