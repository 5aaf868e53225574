/**
 * The programs of `npm start`, each bundled with the packages that it uses: a process then holds what it needs of zod or
 * kysely instead of all their files, and neither strips types nor looks for 300 modules.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const MANIFEST = "manifest.json";
const PROGRAMS = [
  "local/start.ts",
  "local/prepare-servers.ts",
  "workers/main.ts",
  "chain/dev-chain/main.ts",
  "models/runner/main.ts",
  "competitions/*/competition.ts",
];

/** A file, and the time and size that it had. */
type Input = [path: string, mtimeMs: number, size: number];
/** What is in the folder of bundles; written last, so that it names only what is whole. */
export type Manifest = {
  /** URL of a program's source -> URL of its bundle. */
  programs: Record<string, string>;
  /** Every file of ours that the bundles were made of. */
  inputs: Input[];
};

/** Programs that get a bundle, as paths from the root. */
export const programs = (root: string): string[] => PROGRAMS.flatMap((path) => globSync(path, { cwd: root })).sort();

export const manifestIn = (folder: string): string => join(folder, MANIFEST);

/** The file as it is now; undefined when there is none. */
export function inputOf(path: string): Input | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && [path, stat.mtimeMs, stat.size];
}

/** True when the bundles are of all programs, and of the sources as they are now. */
export function isFresh(root: string, folder: string): boolean {
  if (!existsSync(manifestIn(folder))) return false;
  const { programs: made, inputs } = JSON.parse(readFileSync(manifestIn(folder), "utf8")) as Manifest;
  return (
    programs(root).every((path) => pathToFileURL(join(root, path)).href in made) &&
    inputs.every((input) => String(inputOf(input[0])) === String(input))
  );
}

/**
 * Makes the bundles where they are not up to date. Gives back the module for Node's `--import` that takes programs from them;
 * undefined where they cannot be made (no development packages, a read-only folder): programs run from their sources then.
 */
export function bundledPrograms(root: string, folder: string, say: (line: string) => void): string | undefined {
  const own = (name: string) => join(root, "local", name);
  if (!existsSync(join(root, "node_modules/vite"))) return undefined;
  if (!isFresh(root, folder)) {
    say("bundling the programs (a few seconds)");
    const made = spawnSync(process.execPath, [own("bundle-programs.ts"), root, folder], { encoding: "utf8" });
    if (made.status !== 0) {
      say(`the programs run from their sources, which takes more memory: ${made.stderr.trim().slice(-2000)}`);
      return undefined;
    }
  }
  const preload = pathToFileURL(own("bundled.mjs"));
  preload.searchParams.set("manifest", manifestIn(folder));
  return preload.href;
}
