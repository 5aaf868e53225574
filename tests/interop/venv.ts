import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const INSTALL_MS = 600_000;
/** The system's own first: a model's uid can reach it, which it cannot in somebody's home folder. */
const CANDIDATES = ["/usr/bin/python3", "/usr/local/bin/python3", "python3.13", "python3.12", "python3.11", "python3"];
const ASK =
  "import ensurepip, platform, sys, venv; print(*sys.version_info[:2], platform.python_version(), sys.executable)";

/** The two public packages; they want other versions of protobuf and cannot live in one environment. */
export type PublicPackage = "model-runner-client" | "crunch-model-runner";
const REQUIREMENTS: Record<PublicPackage, string> = {
  "model-runner-client": "client.txt",
  "crunch-model-runner": "runner.txt",
};

/** Versions that the requirement files pin. */
export const publicVersion = (name: PublicPackage): string => {
  const version = new RegExp(`^${name}==(\\S+)$`, "m").exec(readFileSync(requirementFile(name), "utf8"))?.[1];
  if (version === undefined) throw new Error(`${requirementFile(name)} pins no ${name}`);
  return version;
};
const requirementFile = (name: PublicPackage): string => join(import.meta.dirname, "python", REQUIREMENTS[name]);

/** A Python that has pip and is new enough for the public packages. @throws Error naming what was tried and what helps */
async function findPython(): Promise<{ command: string; version: string }> {
  const problems: string[] = [];
  for (const candidate of CANDIDATES) {
    try {
      const { stdout } = await run(candidate, ["-c", ASK], { timeout: 20_000 });
      const [major = "0", minor = "0", version = "", command = candidate] = stdout.trim().split(" ");
      if (Number(major) === 3 && Number(minor) >= 11) return { command, version };
      problems.push(`${candidate} is Python ${version}`);
    } catch (error) {
      problems.push(`${candidate}: ${(error as Error).message.trim().split("\n").at(-1)}`);
    }
  }
  throw new Error(
    `The public packages need Python 3.11 or newer with venv (${problems.join("; ")}). Install python3 and python3-venv.`,
  );
}

/** Makes the environment beside its place and moves it there whole, so that nobody ever sees half of one. */
async function build(python: string, requirements: string, place: string): Promise<void> {
  const draft = `${place}.${randomUUID().slice(0, 8)}`;
  try {
    await run(python, ["-m", "venv", draft], { timeout: INSTALL_MS });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", requirements];
    await run(join(draft, "bin/python"), pip, { timeout: INSTALL_MS, maxBuffer: 16 << 20 });
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(place)) return; // another run was faster
    throw error;
  }
}

/** Interpreter of the package's environment, which is made once per requirement file and Python. @throws Error naming the cure */
async function prepare(name: PublicPackage): Promise<string> {
  const { command, version } = await findPython();
  const file = requirementFile(name);
  const key = createHash("sha256").update(readFileSync(file)).update(`${command} ${version}`).digest("hex");
  const folder = resolve(ROOT, process.env.ALMANAC_DIR ?? ".almanac", "venvs");
  mkdirSync(folder, { recursive: true });
  const place = join(folder, key.slice(0, 16));
  if (!existsSync(place)) await build(command, file, place);
  // Called as `python -m …` only: the scripts of a moved environment point to where it was made.
  return join(place, "bin/python");
}

/** Where the two environments are, or why there are none. In CI that is an error: interoperability must not be skipped there. */
export async function publicPackages(): Promise<{ client: string; runner: string } | { missing: string }> {
  try {
    const client = await prepare("model-runner-client");
    return { client, runner: await prepare("crunch-model-runner") };
  } catch (error) {
    if (process.env.CI) throw error;
    return { missing: `the public Python packages cannot be had here: ${(error as Error).message}` };
  }
}
