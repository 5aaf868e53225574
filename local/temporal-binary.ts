import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { programPath } from "./program.ts";

const VERSION = "1.5.1";
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;
const DOWNLOAD_STARTS_WITHIN_MS = 12_000;
const DOWNLOAD_ENDS_WITHIN_MS = 300_000;
const BUILD_ENDS_WITHIN_MS = 1_200_000;
const SAY_EVERY_MS = 10_000;

type Say = (line: string) => void;
type Environment = Readonly<Record<string, string | undefined>>;

/** No Temporal server could be found, downloaded or built. */
export class NoTemporalError extends Error {
  override name = "NoTemporalError";
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

function onPath(program: string, env: Environment): string | undefined {
  const folders = (env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** Where this user's Temporal binary is kept between projects. */
export const cacheFolder = (env: Environment) =>
  join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "almanac", `temporal-${VERSION}`);

/** Runs a command until it ends or `keepGoing` says no; its group is killed then. Gives back the exit code and the end of its output. */
function attempt(
  command: string,
  args: string[],
  env: Environment,
  keepGoing: (elapsedMs: number) => boolean,
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const started = Date.now();
    let output = "";
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const watch = setInterval(() => {
      if (child.pid !== undefined && !keepGoing(Date.now() - started)) process.kill(-child.pid, "SIGKILL");
    }, 250);
    const finish = (ok: boolean, text: string) => {
      clearInterval(watch);
      resolve({ ok, output: text.trim() });
    };
    child.once("error", (error) => finish(false, error.message));
    child.once("close", (code, signal) =>
      finish(code === 0, signal ? `${output}\nended after ${Math.round((Date.now() - started) / 1000)} s` : output),
    );
  });
}

/** Bytes that the download has written so far. */
const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);

/** Says how it goes, every ten seconds. */
function createTicker(say: Say, text: (seconds: number) => string) {
  let next = SAY_EVERY_MS;
  return (elapsedMs: number) => {
    if (elapsedMs < next) return;
    next += SAY_EVERY_MS;
    say(text(Math.round(elapsedMs / 1000)));
  };
}

/** The official binary, by the SDK's own downloader in a process of its own, so that it can be given up. */
async function download(folder: string, env: Environment, say: Say): Promise<string> {
  const downloads = `${folder}.download.${process.pid}`;
  mkdirSync(downloads, { recursive: true });
  say("downloading the official Temporal binary (about 60 MB, once)");
  const tick = createTicker(
    say,
    (s) => `downloading Temporal: ${Math.round(bytesIn(downloads) / 1e6)} MB after ${s} s`,
  );
  try {
    const { ok, output } = await attempt(
      process.execPath,
      [programPath("local/temporal-download"), downloads],
      env,
      (elapsed) => {
        tick(elapsed);
        return elapsed < (bytesIn(downloads) > 0 ? DOWNLOAD_ENDS_WITHIN_MS : DOWNLOAD_STARTS_WITHIN_MS);
      },
    );
    const file = readdirSync(downloads)
      .map((name) => join(downloads, name))
      .find(isExecutable);
    if (!ok || !file) return output.split("\n").at(-1) || "no file came";
    renameSync(file, join(folder, "temporal"));
    return "";
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
}

/** The same server, built from its Go module. */
async function build(folder: string, env: Environment, say: Say): Promise<string> {
  const go = onPath("go", env);
  if (!go) return "there is no `go` on PATH";
  const draft = `${folder}.build.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  say(`building Temporal with \`go install ${MODULE}\` (3 to 5 minutes, once)`);
  const tick = createTicker(say, (s) => `building Temporal: ${s} s so far (3 to 5 minutes in all)`);
  try {
    const { ok, output } = await attempt(go, ["install", MODULE], { ...env, GOBIN: draft }, (elapsed) => {
      tick(elapsed);
      return elapsed < BUILD_ENDS_WITHIN_MS;
    });
    if (!ok || !isExecutable(join(draft, "temporal")))
      return output.split("\n").slice(-3).join(" ") || "go install made no binary";
    renameSync(join(draft, "temporal"), join(folder, "temporal")); // whole or absent, also with two builds at once
    return "";
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Path of a Temporal binary: PATH, the user's cache, the official download, a Go build. Throws NoTemporalError with causes and cures. */
export async function findTemporal(env: Environment, say: Say): Promise<string> {
  const found = onPath("temporal", env);
  if (found) return found;
  const folder = cacheFolder(env);
  const cached = join(folder, "temporal");
  if (isExecutable(cached)) return cached;
  mkdirSync(folder, { recursive: true });
  const downloadProblem = await download(folder, env, say);
  if (downloadProblem === "" && existsSync(cached)) return cached;
  say(`the download did not work: ${downloadProblem}`);
  const buildProblem = await build(folder, env, say);
  if (buildProblem === "" && existsSync(cached)) return cached;
  throw new NoTemporalError(
    [
      "No Temporal server could be found or made:",
      "  on PATH: no `temporal`",
      `  in the cache: nothing at ${cached}`,
      `  download: ${downloadProblem}`,
      `  Go build: ${buildProblem}`,
      "Do one of these: install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH; connect to the internet; install Go 1.24 or newer; or set TEMPORAL_ADDRESS to a server that runs.",
    ].join("\n"),
  );
}
