import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { reachable } from "../runner/staging.ts";
import { quoted, UploadError } from "./submission-files.ts";
import { runLogged } from "./tool.ts";

const VENV_MS = 180_000;
const INSTALL_MS = 600_000;
const MAX_BYTES = 2 * 1024 ** 3;
const LOOK_MS = 2_000;

/** The interpreter that models run under: packages are chosen for it. */
export interface TargetPython {
  readonly executable: string;
  readonly version: readonly number[];
}
/** Folders of installed packages, one for each list of requirements, shared by all models that ask for the same. */
export interface Environments {
  /**
   * The site folder with these packages, installed when it is not there; null: nothing was asked for.
   * @throws UploadError with a sentence for the author; everything that pip said goes to `log`
   */
  ensure(requirements: readonly string[], python: TargetPython, log: (text: string) => void): Promise<string | null>;
  /** Removes every environment but those that these site folders are in. */
  prune(inUse: ReadonlySet<string>): Promise<void>;
}

/**
 * pip is run from a venv of its own that holds nothing else, and installs wheels only: no code of a submission's packages runs
 * outside a box, neither a setup.py nor a .pth file.
 * @param pipSettings environment of pip: PATH, HOME, the operator's PIP_…, proxy and certificate settings
 */
export function createEnvironments(options: {
  stateDir: string;
  pipSettings: Readonly<Record<string, string>>;
  /** ends what is being installed */
  signal?: AbortSignal;
}): Environments {
  let place: Promise<string> | undefined;
  const folder = () => {
    place ??= placeFor(resolve(options.stateDir));
    return place;
  };
  const running = new Map<string, Promise<string>>();
  let last: Promise<unknown> = Promise.resolve(); // one pip at a time: installing must not starve the rounds

  async function pip(root: string, python: TargetPython, log: (text: string) => void): Promise<string> {
    const own = join(root, `pip-${hashOf([python.executable, python.version])}`);
    if (await exists(own)) return join(own, "bin/python");
    // Made aside and renamed, so that half a venv is never used; only scripts in it would mind the move.
    const making = join(root, `.pip-${hashOf([python.executable, python.version])}`);
    await rm(making, { recursive: true, force: true });
    const made = await runLogged(python.executable, ["-I", "-m", "venv", "--symlinks", making], {
      env: options.pipSettings,
      timeoutMs: VENV_MS,
      log,
    });
    if (made !== 0) {
      log(`\nNo venv can be made with ${python.executable}: where it is packaged apart, install python3-venv.\n`);
      throw new UploadError(
        "Packages cannot be installed on this node. Its operator finds the reason in the builder log.",
      );
    }
    await rename(making, own);
    return join(own, "bin/python");
  }

  async function install(requirements: readonly string[], python: TargetPython, log: (text: string) => void) {
    const root = await folder();
    const home = join(root, hashOf([requirements, python.executable, python.version]));
    const site = join(home, "site");
    if (await exists(home)) {
      log(`packages: ${requirements.length} requirement(s), installed before\n`);
      return site;
    }
    const tool = await pip(root, python, log);
    const making = await mkdtemp(join(root, ".new-"));
    try {
      await chmod(making, 0o755);
      const [list, temporary] = [join(making, "requirements.txt"), join(making, "tmp")];
      await writeFile(list, `${requirements.join("\n")}\n`);
      await mkdir(temporary);
      const output: string[] = [];
      const stop = new AbortController();
      const watch = watchSize(making, () => stop.abort());
      const code = await runLogged(
        tool,
        [
          ...["-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"],
          ...["--only-binary", ":all:", "--target", join(making, "site"), "--requirement", list],
        ],
        {
          env: { ...options.pipSettings, TMPDIR: temporary },
          timeoutMs: INSTALL_MS,
          signal: AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])]),
          log: (text) => {
            output.push(text);
            log(text);
          },
        },
      ).finally(watch);
      if (stop.signal.aborted)
        throw new UploadError(`The packages are larger than ${MAX_BYTES / 1024 ** 3} GiB.`, "requirements.txt");
      if (code !== 0) throw new UploadError(whyNot(code, output.join("")), "requirements.txt");
      await rm(temporary, { recursive: true, force: true });
      await mkdir(join(making, "site"), { recursive: true });
      await rename(making, home);
      return site;
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }

  return {
    async ensure(requirements, python, log) {
      if (requirements.length === 0) return null;
      const key = JSON.stringify([requirements, python]);
      const joined = running.get(key);
      if (joined) log("packages: another model installs the same ones\n");
      const work = joined ?? last.then(() => install(requirements, python, log)).finally(() => running.delete(key));
      running.set(key, work);
      last = work.catch(() => undefined);
      return work;
    },
    async prune(inUse) {
      if (running.size > 0) return; // what is being made may be about to be used
      const root = await folder();
      for (const name of await readdir(root))
        if (/^[0-9a-f]{24}$/.test(name) && !inUse.has(join(root, name, "site")))
          await rm(join(root, name), { recursive: true, force: true });
    },
  };
}

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 24);
const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Below the state folder, unless models' accounts cannot go there. */
async function placeFor(stateDir: string): Promise<string> {
  const own = join(stateDir, "environments");
  await mkdir(stateDir, { recursive: true });
  const root = (await reachable(stateDir)) ? own : join(tmpdir(), `almanac-environments-${hashOf(stateDir)}`);
  await mkdir(root, { recursive: true, mode: 0o755 });
  const found = await lstat(root);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid))
    throw new Error(`${root} belongs to somebody else: remove it, or set TMPDIR to another folder.`);
  // What a killed orchestrator was making.
  for (const name of await readdir(root))
    if (name.startsWith(".")) await rm(join(root, name), { recursive: true, force: true });
  return root;
}

/** What the author can do about it, of all that pip says. */
function whyNot(code: number | "timeout", output: string): string {
  if (code === "timeout")
    return `The packages of requirements.txt were not installed within ${INSTALL_MS / 60_000} minutes.`;
  const missing = /No matching distribution found for ([^\s(]+)/.exec(output)?.[1];
  if (missing)
    return `No version of ${quoted(missing)} can be installed here (as a wheel, for this Python). Correct requirements.txt.`;
  if (/ResolutionImpossible|conflicting dependencies/.test(output))
    return "The packages of requirements.txt contradict each other. The builder log names them.";
  return "The packages of requirements.txt could not be installed. The builder log says why.";
}

/** Ends what grows too large: an honest index may hold a package of any size. Returns the function that stops watching. */
function watchSize(folder: string, tooLarge: () => void): () => void {
  let stopped = false;
  const look = async () => {
    if (stopped) return;
    if ((await sizeOf(folder)) > MAX_BYTES) tooLarge();
    else setTimeout(look, LOOK_MS).unref();
  };
  setTimeout(look, LOOK_MS).unref();
  return () => {
    stopped = true;
  };
}

async function sizeOf(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    sum += entry.isDirectory() ? await sizeOf(path) : ((await lstat(path).catch(() => null))?.size ?? 0);
  }
  return sum;
}
