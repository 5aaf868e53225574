import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 250;
const KEEP_FILES = 200;
const MAX_JOB_LENGTH = 200;
const CHUNK_BYTES = 64 << 10;
/** Text of this length is not found twice in a log by chance. */
const OVERLAP = 2_048;

type LogKind = "builder" | "runner";
interface ReadOptions {
  readonly follow: boolean;
  readonly fromStart: boolean;
  readonly signal: AbortSignal;
}
/** What builds and models printed. For the operator's and the owner's eyes only: models print what they like. */
export interface Logs {
  /** Begins the log of a build anew; returns what appends to it. */
  beginBuild(job: string): (text: string) => void;
  /** Keeps the log of a deployment that is about to end. */
  keep(deploymentId: string, text: string): void;
  /** The text, and with `follow` what comes until the job is over. null: no such job. */
  read(kind: LogKind, job: string, options: ReadOptions): AsyncIterable<string> | null;
}

/** @param live text of a running model's log; undefined when it does not run @param isBuilding whether more may come */
export function openLogs(options: {
  stateDir: string;
  live: (deploymentId: string) => Promise<string | undefined>;
  isRunning: (deploymentId: string) => boolean;
  isBuilding: (job: string) => boolean;
}): Logs {
  const folders = { builder: join(options.stateDir, "logs/builder"), runner: join(options.stateDir, "logs/runner") };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Names are looked up in what is there, never made into a path before.
  const known = {
    builder: new Set(readdirSync(folders.builder)),
    runner: new Set(readdirSync(folders.runner)),
  };
  const fileOf = (kind: LogKind, job: string) => join(folders[kind], `${job}.log`);

  function create(kind: LogKind, job: string, text: string): void {
    if (!/^[\w.:@-]+$/.test(job) || job.length > MAX_JOB_LENGTH) throw new Error(`no name for a log: ${job}`);
    writeFileSync(fileOf(kind, job), text, { mode: 0o600 });
    known[kind].add(`${job}.log`);
    if (known[kind].size > KEEP_FILES) dropOldest(kind);
  }

  function dropOldest(kind: LogKind): void {
    const age = (name: string) => statSync(join(folders[kind], name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const oldest = [...known[kind]].sort((a, b) => age(a) - age(b)).slice(0, known[kind].size - KEEP_FILES);
    for (const name of oldest) {
      rmSync(join(folders[kind], name), { force: true });
      known[kind].delete(name);
    }
  }

  async function* readFileLog(job: string, { follow, fromStart, signal }: ReadOptions): AsyncGenerator<string> {
    const file = await open(fileOf("builder", job), "r");
    try {
      let at = fromStart ? 0 : (await file.stat()).size;
      const decoder = new TextDecoder();
      while (!signal.aborted) {
        const isOver = !follow || !options.isBuilding(job); // asked before reading: what came last is read, too
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
        at += bytesRead;
        if (bytesRead > 0) yield decoder.decode(buffer.subarray(0, bytesRead), { stream: true });
        else if (isOver) return;
        else await pause(signal);
      }
    } finally {
      await file.close();
    }
  }

  async function* readLive(id: string, { follow, fromStart, signal }: ReadOptions): AsyncGenerator<string> {
    let before = fromStart ? "" : ((await options.live(id)) ?? "");
    while (!signal.aborted) {
      const isOver = !options.isRunning(id); // asked before reading: what came last is read, too
      const now = isOver ? await kept(id, signal) : await options.live(id);
      const more = newText(before, now || before);
      before = now || before;
      if (more !== "") yield more;
      if (isOver || !follow) return;
      await pause(signal);
    }
  }

  /** The log of a deployment that has just ended: it is stored in a moment, unless nothing was printed. */
  async function kept(id: string, signal: AbortSignal): Promise<string> {
    for (let tries = 4; tries > 0 && !signal.aborted && !known.runner.has(`${id}.log`); tries--) await pause(signal);
    return known.runner.has(`${id}.log`) ? readFile(fileOf("runner", id), "utf8") : "";
  }

  async function* readKept(id: string, { signal }: ReadOptions): AsyncGenerator<string> {
    yield await kept(id, signal);
  }

  return {
    beginBuild(job) {
      create("builder", job, "");
      return (text) => appendFileSync(fileOf("builder", job), text);
    },
    keep: (deploymentId, text) => create("runner", deploymentId, text),
    read(kind, job, how) {
      if (kind === "runner" && options.isRunning(job)) return readLive(job, how);
      if (!known[kind].has(`${job}.log`)) return null;
      return kind === "builder" ? readFileLog(job, how) : readKept(job, how);
    },
  };
}

const pause = (signal: AbortSignal) => sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);

/** What was printed since: a model's log is the last 256 KiB of it, so its beginning moves. */
export function newText(before: string, now: string): string {
  if (now.startsWith(before)) return now.slice(before.length);
  const tail = before.slice(-OVERLAP);
  const at = now.lastIndexOf(tail);
  return at < 0 ? `\n[... text was lost here ...]\n${now}` : now.slice(at + tail.length);
}
