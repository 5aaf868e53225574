import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { canonicalText } from "../proofs/canonical.ts";

/** Text by path relative to the competition's folder, with forward slashes on every machine. */
export type Sources = Readonly<Record<string, string>>;

const CODE = /\.(m?[jt]s|py)$/;
const NO_SOURCE = /\.test\.m?[jt]s$|\.d\.ts$|(^|\/)test_[^/]*\.py$/;
/** Models are no rules; the rest is not the competition's. */
const LEFT_OUT = new Set(["node_modules", "__pycache__", "examples"]);
/** Imports that run; those of types alone change no answer. */
const RELATIVE_IMPORT =
  /(?:^(?:import|export)\s+(?!type\b)(?:[^;"']*?\bfrom\s*)?|\bimport\(\s*)["'](\.{1,2}\/[^"']+)["']/gm;

/** Every TypeScript, JavaScript and Python file below a folder, without tests and example models. */
async function filesBelow(folder: string, matches: RegExp = CODE): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return entry.name.startsWith(".") || LEFT_OUT.has(entry.name) ? [] : filesBelow(path, matches);
    return entry.isFile() && matches.test(entry.name) && !NO_SOURCE.test(entry.name) ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}

/** A TypeScript file and what it imports by relative paths, however far: a change of a formula that it uses is a change of it. */
async function imported(file: string, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(file) || !existsSync(file)) return seen;
  seen.add(file);
  for (const [, specifier] of (await readFile(file, "utf8")).matchAll(RELATIVE_IMPORT))
    await imported(resolve(dirname(file), specifier!), seen);
  return seen;
}

/** What is hashed of a competition and of each of its callables. */
export interface SourceReader {
  /** the competition's folder, and what its module imports */
  contract(entry: string): Promise<Sources>;
  /** a TypeScript module and what it imports */
  typescript(file: string): Promise<Sources>;
  /** the Python files below folders */
  python(roots: readonly string[]): Promise<Sources>;
}

/** No name tells where on the machine anything lies, so that a hash is the same everywhere. */
export function sourceReader(folder: string): SourceReader {
  const nameOf = (file: string, root: string): string => {
    const inProject = isBelow(process.cwd(), file);
    const path =
      isBelow(folder, file) || (inProject && isBelow(process.cwd(), folder))
        ? relative(folder, file)
        : inProject
          ? join("node", relative(process.cwd(), file))
          : join("elsewhere", relative(root, file).replace(/^(\.\.[/\\])+/, ""));
    return path.split(sep).join("/");
  };
  const read = async (files: Iterable<string>, root: string): Promise<Sources> => {
    const texts = [...new Set(files)].map(async (file) => [nameOf(file, root), await readFile(file, "utf8")] as const);
    return Object.fromEntries((await Promise.all(texts)).sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return {
    contract: async (entry) => read([...(await filesBelow(folder)), ...(await imported(entry))], folder),
    typescript: async (file) => read(await imported(file), dirname(file)),
    async python(roots) {
      const trees = roots.map(async (root) => read(await filesBelow(root, /\.py$/), root));
      return Object.assign({}, ...(await Promise.all(trees)));
    },
  };
}

const isBelow = (folder: string, file: string): boolean => !relative(folder, file).startsWith("..");

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
export const hashOf = (value: unknown): string => sha256(JSON.stringify(value));
/** Of the canonical text (RFC 8785): whoever has only the stored JSON, in whatever order of keys, finds the same. */
export const canonicalHash = (value: unknown): string => sha256(canonicalText(JSON.parse(JSON.stringify(value))));
