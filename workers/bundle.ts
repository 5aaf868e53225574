import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { localPath, readConfig } from "../config.ts";
import { isStale } from "../local/builds.ts";
import { programPath } from "../local/program.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** What workflow code is made of; anything else it reaches does not bundle. */
const SOURCES = ["workflows", "domain", "package-lock.json"].map((source) => join(ROOT, source));

/** The workflow code in one file, built when it is absent or older than its sources. */
export async function workflowBundle(file: string): Promise<{ codePath: string }> {
  if (isStale(file, SOURCES)) {
    const { code } = await bundleWorkflowCode({
      workflowsPath: programPath("workflows/index"),
      logger: new DefaultLogger("WARN"),
    });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.${process.pid}`, code);
    await rename(`${file}.${process.pid}`, file); // whole or not at all: several roles may build at once
  }
  return { codePath: resolve(file) };
}

export const BUNDLE_FILE = "workflows-bundle.js";

if (import.meta.main) {
  const { codePath } = await workflowBundle(localPath(readConfig(), BUNDLE_FILE));
  process.stdout.write(`workflow bundle: ${codePath}\n`);
}
