import { createHash } from "node:crypto";
import { chmod, chown, copyFile, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BoxFolders } from "./box.ts";
import { FILTER_FILE, seccompFilter } from "./seccomp.ts";

const MAX_FILES = 10_000;
const MAX_BYTES = 256 << 20;

/** A folder with one of these is a package; a file with such a name is a module, of Python or JavaScript. */
const PACKAGE_FILES = /^(__init__\.py|index\.[mc]?[jt]s|package\.json)$/;
const MODULES = /\.(py|[mc]?[jt]s)$/;

/** Copies of what models need, at a place that their accounts can reach (a clone below a 0700 home is not). */
export interface Staging {
  readonly host: string;
  /**
   * Copies a submission (a folder, or one .py file) and the Python packages (folders with `__init__.py`, single modules)
   * of the package folders, for the eyes of `uid` only.
   */
  stage(
    deploymentId: string,
    from: { code: string; packages: readonly string[] },
    uid: number | undefined,
  ): Promise<BoxFolders>;
  drop(deploymentId: string): Promise<void>;
  remove(): Promise<void>;
}

export async function createStaging(stateDir: string): Promise<Staging> {
  const note = join(stateDir, "staging-folder");
  await removeLeftover(note);
  const root = (await reachable(stateDir))
    ? await mkdtemp(join(stateDir, "staging-"))
    : await mkdtemp(join(tmpdir(), "almanac-staging-"));
  if (!(await reachable(dirname(root))))
    throw new Error(
      `Models cannot read ${root}: a folder above it is closed to other accounts. Set ALMANAC_DIR or TMPDIR to a folder that all may enter.`,
    );
  await writeFile(note, root);
  await chmod(root, 0o711);
  const host = join(root, "host");
  await copyTree(fileURLToPath(new URL("./host/", import.meta.url)), host);
  const filter = seccompFilter(process.arch);
  if (filter) await writeFile(join(host, FILTER_FILE), filter);
  const folderOf = (id: string) => join(root, `model-${createHash("sha256").update(id).digest("hex").slice(0, 16)}`);
  return {
    host,
    async stage(deploymentId, from, uid) {
      const own = folderOf(deploymentId);
      const [code, packages] = [join(own, "code"), join(own, "packages")];
      await rm(own, { recursive: true, force: true });
      await mkdir(own);
      const isFile = (await lstat(from.code)).isFile();
      if (isFile) await mkdir(code);
      await copyTree(from.code, isFile ? join(code, basename(from.code)) : code);
      await copyPackages(from.packages, packages);
      if (uid !== undefined) await chown(own, uid, uid);
      await chmod(own, 0o700);
      return { host, code, packages };
    },
    drop: (deploymentId) => rm(folderOf(deploymentId), { recursive: true, force: true }),
    remove: async () => {
      await rm(root, { recursive: true, force: true });
      await rm(note, { force: true });
    },
  };
}

// A runner that was killed left its copies behind; the note says where.
async function removeLeftover(note: string): Promise<void> {
  const old = await readFile(note, "utf8").catch(() => "");
  if (/^(almanac-)?staging-\w+$/.test(basename(old))) await rm(old, { recursive: true, force: true });
}

/** Whether any account may enter this folder; without root, models run under our own account and always may. */
export async function reachable(folder: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return true;
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (((await lstat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function copyPackages(folders: readonly string[], to: string): Promise<void> {
  await mkdir(to);
  for (const folder of folders) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const isPackage = entry.isDirectory() && (await readdir(path)).some((name) => PACKAGE_FILES.test(name));
      if (isPackage || (entry.isFile() && MODULES.test(entry.name))) await copyTree(path, join(to, entry.name));
    }
  }
}

/** Regular files and folders only: a symbolic link in a submission could point at the node's own files. */
async function copyTree(from: string, to: string, left = { files: MAX_FILES, bytes: MAX_BYTES }): Promise<void> {
  const entry = await lstat(from);
  if (entry.isDirectory()) {
    await mkdir(to);
    for (const name of await readdir(from))
      if (name !== "__pycache__" && name !== ".git") await copyTree(join(from, name), join(to, name), left);
  } else if (entry.isFile()) {
    left.files -= 1;
    left.bytes -= entry.size;
    if (left.files < 0 || left.bytes < 0)
      throw new Error(`More than ${MAX_FILES} files or ${MAX_BYTES >> 20} MiB below ${from}`);
    await copyFile(from, to);
    await chmod(to, 0o644);
  }
}
