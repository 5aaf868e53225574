import { mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { localPath, readConfig } from "../config.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** What workflow code is made of; anything else it reaches does not bundle. */
const SOURCES = ["workflows", "domain", "package-lock.json"];

async function newest(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isDirectory()) return info.mtimeMs;
  const inside = await Promise.all((await readdir(path)).map((name) => newest(join(path, name))));
  return Math.max(info.mtimeMs, ...inside);
}

async function isFresh(file: string): Promise<boolean> {
  const built = await stat(file).catch(() => null);
  if (!built) return false;
  const sources = await Promise.all(SOURCES.map((source) => newest(join(ROOT, source)).catch(() => 0)));
  return built.mtimeMs >= Math.max(...sources);
}

/** The workflow code in one file, built when it is absent or older than its sources. */
export async function workflowBundle(file: string): Promise<{ codePath: string }> {
  if (!(await isFresh(file))) {
    const { code } = await bundleWorkflowCode({
      workflowsPath: join(ROOT, "workflows", "index.ts"),
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
