import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { z } from "zod";

/**
 * A small file of facts that must outlive a crash: whole as it was, or whole as it is now.
 * @throws Error naming the file when what stands there cannot be understood: guessing would lose facts
 */
export async function readJsonFile<T>(path: string, shape: z.ZodType<T>, absent: T): Promise<T> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return absent;
  try {
    return shape.parse(JSON.parse(text));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be understood: ${cause}. Restore it from a backup, or remove it to start afresh.`, {
      cause: error,
    });
  }
}

/** Writes beside, syncs, renames, syncs the folder. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const beside = `${path}.new`;
  const file = await open(beside, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
