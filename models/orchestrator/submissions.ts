import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { unpackZip } from "./archive.ts";
import { createSubmissionFiles, type SubmissionFiles, UploadError } from "./submission-files.ts";

const PROGRAM = /\.(py|m?js|ts)$/;
const FRESH_MS = 60_000;
const HASH = /^[0-9a-f]{64}$/;

/** Files on their way in; nothing else sees them before they are stored. */
export interface IncomingSubmission {
  /** @throws UploadError when the file is refused */
  add(name: string, open: () => Promise<Readable>): Promise<boolean>;
  /** Unpacks, checks and stores what came; gives its hash. @throws UploadError when it is no submission */
  store(): Promise<string>;
  /** Throws away what is left of it. To be called always. */
  discard(): Promise<void>;
}
/** What was uploaded, by the hash of its names and contents; each is written once and never changed. */
export interface Submissions {
  receive(): Promise<IncomingSubmission>;
  /** `files` in it is what came; the build puts its own beside. */
  folderOf(hash: string): string;
  prune(inUse: ReadonlySet<string>): Promise<void>;
}

export async function openSubmissions(stateDir: string): Promise<Submissions> {
  const root = join(stateDir, "submissions");
  await mkdir(root, { recursive: true, mode: 0o700 });
  // Whatever a killed orchestrator was receiving.
  for (const name of await readdir(root))
    if (!HASH.test(name)) await rm(join(root, name), { recursive: true, force: true });
  const folderOf = (hash: string) => join(root, hash);

  async function keep(from: string, hash: string): Promise<void> {
    const whole = await mkdtemp(join(root, ".whole-"));
    await rename(from, join(whole, "files"));
    await rename(whole, folderOf(hash)).catch(async (error: NodeJS.ErrnoException) => {
      await rm(whole, { recursive: true, force: true });
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error; // else: the same came before
    });
  }

  return {
    folderOf,
    async receive() {
      const folder = await mkdtemp(join(root, ".incoming-"));
      const came = createSubmissionFiles(join(folder, "came"));
      return {
        add: came.add,
        async store() {
          const [only, size = 0] = came.sizes.size === 1 ? [...came.sizes][0]! : [];
          const isZip = only?.toLowerCase().endsWith(".zip") ?? false;
          const inside = isZip ? createSubmissionFiles(join(folder, "unpacked")) : came;
          if (isZip) await unpackZip(join(folder, "came", only!), size, inside);
          const top = topFolder(inside);
          checkSubmission(inside, top);
          const hash = inside.hash(top);
          await keep(join(folder, isZip ? "unpacked" : "came", top), hash);
          return hash;
        },
        discard: () => rm(folder, { recursive: true, force: true }),
      };
    },
    async prune(inUse) {
      for (const name of await readdir(root)) {
        const path = join(root, name);
        if (!HASH.test(name) || inUse.has(name)) continue;
        // What has just come may not be registered yet.
        if (Date.now() - (await stat(path)).mtimeMs > FRESH_MS) await rm(path, { recursive: true, force: true });
      }
    },
  };
}

/** `model/` where everything lies in one folder, as most archives are made. */
function topFolder({ sizes }: SubmissionFiles): string {
  const [first = ""] = sizes.keys();
  const top = first.slice(0, first.indexOf("/") + 1);
  return top !== "" && [...sizes.keys()].every((path) => path.startsWith(top)) ? top : "";
}

function checkSubmission({ sizes }: SubmissionFiles, top: string): void {
  const names = [...sizes.keys()].map((path) => path.slice(top.length));
  const notebooks = names.filter((name) => name.endsWith(".ipynb"));
  if (notebooks.length > 1)
    throw new UploadError(`A submission has one notebook; these came: ${notebooks.slice(0, 5).join(", ")}.`);
  if (notebooks.length === 1 && names.includes("main.py"))
    throw new UploadError("A submission has a notebook or a main.py, not both: the notebook becomes main.py.");
  if (notebooks.length === 0 && !names.some((name) => PROGRAM.test(name)))
    throw new UploadError(
      "There is no program among the files: submit a .py file, a notebook, a folder with one, or a zip of it.",
    );
}
