/** `node local/bundle-programs.ts <root> <folder>`: bundles the programs into a new folder below, then names it in the manifest. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin, type Rolldown } from "vite";
import { inputOf, type Manifest, manifestIn, programs } from "./programs.ts";

/** Packages that find files beside themselves, or of which a process must have one copy; they stay where they are. */
const LEFT_OUT = [
  /^@temporalio\//,
  /^@grpc\//,
  /^protobufjs/,
  /^long$/,
  /^litesvm-/,
  /\.node$/,
  /^dockerode$/,
  /^pg-native$/,
];
/** Running nodes go on with the bundles that they began with. */
const KEPT = 3;

/** Code finds its files (protos, the Python host, the page) where its source lies. */
const asInSource: Plugin = {
  name: "import.meta of the source",
  enforce: "pre",
  transform: {
    filter: { id: /\.ts$/, code: /import\.meta\./ },
    handler: (code, id) =>
      code
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(id)))
        .replaceAll("import.meta.filename", JSON.stringify(id))
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(id).href))
        .replaceAll("import.meta.main", "false"),
  },
};

/** Readable code, so that stack traces are; only comments go. */
const bundle = (root: string, outDir: string, entries: readonly string[]) =>
  build({
    root,
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: "error",
    plugins: [asInSource],
    ssr: { noExternal: true },
    build: {
      ssr: true,
      target: "node24",
      outDir,
      minify: false,
      rolldownOptions: {
        input: Object.fromEntries(entries.map((path) => [path.replace(/\.ts$/, ""), join(root, path)])),
        external: LEFT_OUT,
        output: { entryFileNames: "[name].mjs", chunkFileNames: "chunks/[name]-[hash].mjs", comments: false },
      },
    },
  }) as Promise<Rolldown.RolldownOutput>;

/** Files of ours that went in, and what else decides the result. */
function inputsOf(root: string, { output }: Rolldown.RolldownOutput): Manifest["inputs"] {
  const modules = output.flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
  const own = modules.filter((id) => id.startsWith(root) && !id.includes("node_modules"));
  const others = ["package-lock.json", "local/bundle-programs.ts", "local/programs.ts"].map((path) => join(root, path));
  return [...new Set([...own, ...others])].map(inputOf).filter((input) => input !== undefined);
}

function removeOld(folder: string): void {
  const made = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const age = (path: string) => statSync(path).mtimeMs;
  const paths = made.map(({ name }) => join(folder, name)).sort((a, b) => age(b) - age(a));
  for (const path of paths.slice(KEPT)) rmSync(path, { recursive: true, force: true });
}

const [root, folder] = process.argv.slice(2) as [string, string];
const outDir = join(folder, `${Date.now()}-${process.pid}`);
mkdirSync(outDir, { recursive: true });
const entries = programs(root);
const url = (...path: string[]) => pathToFileURL(join(...path)).href;
const output = await bundle(root, outDir, entries);
const manifest: Manifest = {
  programs: Object.fromEntries(entries.map((path) => [url(root, path), url(outDir, path.replace(/\.ts$/, ".mjs"))])),
  inputs: inputsOf(root, output),
};
const draft = join(outDir, "manifest.json");
writeFileSync(draft, JSON.stringify(manifest));
renameSync(draft, manifestIn(folder)); // whole or not at all: several starts may bundle at once
removeOld(folder);
