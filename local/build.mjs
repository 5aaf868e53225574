// `npm run build`: JavaScript and everything that runs beside it, in dist/ (for the published package and the image).
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const DIST = join(ROOT, "dist");
/** Folders of the product; what in them is not TypeScript is copied as it is. */
const FOLDERS = [
  "activities",
  "api",
  "chain",
  "cli",
  "competitions",
  "db",
  "domain",
  "feeds",
  "local",
  "models",
  "proofs",
  "protos",
  "workers",
  "workflows",
];
const run = (...args) => execFileSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
const isAsset = (path) =>
  statSync(path).isDirectory() ? !/(__pycache__|node_modules)$/.test(path) : ![".ts", ".pyc"].includes(extname(path));

rmSync(DIST, { recursive: true, force: true });
run("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json");
for (const folder of FOLDERS)
  if (existsSync(join(ROOT, folder)))
    cpSync(join(ROOT, folder), join(DIST, folder), { recursive: true, filter: isAsset });
if (existsSync(join(ROOT, "web/index.html"))) {
  run("node_modules/vite/bin/vite.js", "build", "web");
  cpSync(join(ROOT, "web/dist"), join(DIST, "web/dist"), { recursive: true });
}
// Whoever imports the package gets what was built.
const description = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
description.exports["."] = description.exports["."].replace(/\.ts$/, ".js");
writeFileSync(join(DIST, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
console.log(`built ${readdirSync(DIST).length} entries in ${relative(ROOT, DIST)}/`);
