import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { z } from "zod";
import { type DayFileEntry, dayFilePath, dayName, isDayFileName, type Stream } from "../domain/day-file.ts";
import { countRows, type DayRow, mergeRows, readDayFile, writeDayFile } from "./day-file.ts";

export interface DayFolderDeps {
  /** BACKFILL_DATA_DIR; made with its first file */
  root: string;
  /** lets one writer at the index at a time, over all processes that share the folder */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  log: Logger;
}

const INDEX = "index.json";
const DRAFT = ".draft";
const HOUR_MS = 3_600_000;
const entries = z.array(z.object({ path: z.string(), records: z.number(), size_bytes: z.number(), date: z.string() }));

/** The folder of parquet day files and its index. A file is there whole or not at all. */
export function createDayFolder(deps: DayFolderDeps) {
  return {
    /**
     * Brings a day's file up to date with `rows` (in order): rows that only the file has stay in it, so that a file outlives the records it
     * was made of. A file that holds the same already is left alone; one that cannot be read is kept aside. Returns what the file has, or null.
     */
    async fileDay(stream: Stream, dayMs: number, rows: AsyncIterable<DayRow[]>): Promise<DayFileEntry | null> {
      const path = dayFilePath(stream, dayMs);
      const file = join(deps.root, path);
      await mkdir(dirname(file), { recursive: true });
      await removeDrafts(dirname(file));
      const readable = await isReadable(deps, file);
      const draft = `${file}.${randomUUID()}${DRAFT}`;
      const records = await writeDayFile(draft, stream, readable ? mergeRows(rows, readDayFile(file)) : rows);
      if (records === 0 || (readable && (await sameBytes(draft, file)))) await rm(draft);
      else await replaceFile(draft, file);
      if (records === 0) return null;
      const entry = { path, records, size_bytes: (await stat(file)).size, date: dayName(dayMs) };
      await deps.exclusively(() => addToIndex(deps, entry));
      return entry;
    },
  };
}
export type DayFolder = ReturnType<typeof createDayFolder>;

/** What a killed process left half written. */
async function removeDrafts(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((n) => n.endsWith(DRAFT))) {
    const draft = join(folder, name);
    const age = Date.now() - (await stat(draft).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > HOUR_MS) await rm(draft, { force: true });
  }
}

/** Reads all of it: a footer says nothing of the pages. One that cannot be read is renamed, never overwritten. */
async function isReadable({ log }: DayFolderDeps, file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  try {
    for await (const _ of readDayFile(file));
    return true;
  } catch (error) {
    const aside = `${file}.unreadable-${Date.now()}`;
    await rename(file, aside);
    log.error({ file, aside, error: String(error) }, "a day file cannot be read; it is kept aside and written anew");
    return false;
  }
}

/** On disk before it has its name. */
async function replaceFile(draft: string, file: string): Promise<void> {
  const handle = await open(draft, "r+");
  await handle.sync();
  await handle.close();
  await rename(draft, file);
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  const [sizeA, sizeB] = [(await stat(a)).size, (await stat(b)).size];
  return sizeA === sizeB && (await hashOf(a)) === (await hashOf(b));
}
async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(file)) hash.update(bytes as Buffer);
  return hash.digest("hex");
}

async function addToIndex(deps: DayFolderDeps, entry: DayFileEntry): Promise<void> {
  const others = (await readIndex(deps)).filter(({ path }) => path !== entry.path);
  const all = [...others, entry].sort((a, b) => (a.path < b.path ? -1 : 1));
  const draft = join(deps.root, `${INDEX}.${randomUUID()}${DRAFT}`);
  await writeFile(draft, `${JSON.stringify(all, null, 1)}\n`);
  await replaceFile(draft, join(deps.root, INDEX));
}

/** An index that is gone or broken is made anew from the files. */
async function readIndex(deps: DayFolderDeps): Promise<DayFileEntry[]> {
  try {
    return entries.parse(JSON.parse(await readFile(join(deps.root, INDEX), "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      deps.log.warn({ error: String(error) }, "the index of day files cannot be read; it is made anew");
    return entriesOfFiles(deps);
  }
}

async function entriesOfFiles({ root }: DayFolderDeps): Promise<DayFileEntry[]> {
  const found: DayFileEntry[] = [];
  for (const path of await readdir(root, { recursive: true })) {
    const name = path.split(/[\\/]/).at(-1)!;
    if (!isDayFileName(name)) continue;
    const records = await countRows(join(root, path)).catch(() => null);
    const size_bytes = (await stat(join(root, path))).size;
    if (records !== null)
      found.push({ path: path.replaceAll("\\", "/"), records, size_bytes, date: name.slice(0, 10) });
  }
  return found;
}
