import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Environments, TargetPython } from "./environment.ts";
import { readJsonFile, writeJsonFile } from "./json-file.ts";
import { convertNotebook } from "./notebook.ts";
import { plainRequirements, requirementLines } from "./requirements.ts";
import { quoted, safePath, UploadError } from "./submission-files.ts";

const MAX_REQUIREMENTS_BYTES = 64 << 10;
const record = z.object({ requirements: z.array(z.string()), site: z.string().nullable(), python: z.string() });

/** A submission made ready to run. */
export interface Built {
  /** folder for the model's box: the program, requirements apart */
  readonly code: string;
  /** folders with the packages it asked for */
  readonly site: readonly string[];
}
/** Makes submissions runnable: notebook → module, requirements → environment. */
export interface Builder {
  /** What an earlier build left, when all of it is still there and meant for this interpreter. */
  stored(submission: string): Promise<Built | null>;
  /** @throws UploadError with a sentence for the author; the details go to `log` */
  build(submission: string, log: (text: string) => void): Promise<Built>;
}

export function createBuilder(options: {
  folderOf: (submission: string) => string;
  environments: Environments;
  python: () => Promise<TargetPython>;
}): Builder {
  const { folderOf, environments } = options;
  const nameOf = ({ executable, version }: TargetPython) => `${executable} ${version.join(".")}`;

  async function stored(submission: string): Promise<Built | null> {
    const folder = folderOf(submission);
    const found = await readJsonFile(join(folder, "build.json"), record.nullable(), null).catch(() => null);
    if (found === null || found.python !== nameOf(await options.python())) return null;
    const parts = [join(folder, "code"), ...(found.site === null ? [] : [found.site])];
    const there = await Promise.all(
      parts.map((part) =>
        stat(part)
          .then((at) => at.isDirectory())
          .catch(() => false),
      ),
    );
    return there.every(Boolean) ? { code: join(folder, "code"), site: parts.slice(1) } : null;
  }

  return {
    stored,
    async build(submission, log) {
      const folder = folderOf(submission);
      const python = await options.python();
      log(`submission ${submission.slice(0, 12)}, ${nameOf(python)}\n`);
      const making = await mkdtemp(join(folder, ".code-"));
      try {
        const requirements = await writeCode(join(folder, "files"), making, python.executable, log);
        const site = await environments.ensure(requirements, python, log);
        await rm(join(folder, "code"), { recursive: true, force: true });
        await rename(making, join(folder, "code"));
        await writeJsonFile(join(folder, "build.json"), { requirements, site, python: nameOf(python) });
        return { code: join(folder, "code"), site: site === null ? [] : [site] };
      } finally {
        await rm(making, { recursive: true, force: true });
      }
    },
  };
}

/** Fills the code folder; gives the requirements, in plain form. */
async function writeCode(files: string, code: string, python: string, log: (text: string) => void): Promise<string[]> {
  const names = (await readdir(files, { recursive: true })).sort();
  const notebook = names.find((name) => name.endsWith(".ipynb"));
  await cp(files, code, { recursive: true, filter: (path) => !path.endsWith(".ipynb") });
  const listed = names.includes("requirements.txt") ? await readRequirements(join(files, "requirements.txt")) : [];
  if (notebook === undefined) return listed;
  const converted = await convertNotebook(await readFile(join(files, notebook)), python);
  await writeFile(join(code, "main.py"), converted.source);
  for (const [name, text] of converted.files) await writeBeside(code, name, text);
  log(
    `notebook ${notebook}: main.py of ${converted.source.split("\n").length} lines, ${converted.files.size} more file(s)\n`,
  );
  return [...new Set([...listed, ...converted.requirements])].sort();
}

async function writeBeside(code: string, name: string, text: string): Promise<void> {
  const path = join(code, safePath(name));
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: "wx" });
  } catch (error) {
    if (!["EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw new UploadError(`The notebook's file ${quoted(name)} came with the submission, too.`);
  }
}

async function readRequirements(path: string): Promise<string[]> {
  if ((await stat(path)).size > MAX_REQUIREMENTS_BYTES)
    throw new UploadError("requirements.txt is too long.", "requirements.txt");
  const text = await readFile(path, "utf8");
  return plainRequirements(requirementLines(text.replace(/^\uFEFF/, "")));
}
