import { lstat, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { isLeftOut } from "../models/orchestrator/submission-files.ts";

/** Files of a model, by the names they are submitted under. @throws Error naming what is not there */
export async function modelFiles(path: string): Promise<Map<string, string>> {
  const found = await lstat(path).catch(() => null);
  if (found === null) throw new Error(`There is no file or folder ${path}.`);
  if (found.isFile()) return new Map([[basename(path), path]]);
  if (!found.isDirectory()) throw new Error(`${path} is no file and no folder.`);
  const files = new Map<string, string>();
  for (const name of (await readdir(path, { recursive: true })).sort()) {
    const at = join(path, name);
    const isHidden = name.split("/").some((part) => part.startsWith("."));
    if (!isHidden && !isLeftOut(name) && (await lstat(at)).isFile()) files.set(name, at);
  }
  if (files.size === 0) throw new Error(`The folder ${path} has no files.`);
  return files;
}
