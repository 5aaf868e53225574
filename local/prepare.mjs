// Runs before `npm start`, `npm test` and the like, under whatever Node the machine has: plain JavaScript, no dependencies.
// Brings node_modules up to the lockfile. The runtime itself, Node 24, is one of the packages.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST = [20, 19];
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const STAMP = join(MODULES, ".almanac-installed");
const SAY_EVERY_MS = 10_000;

function fail(message) {
  console.error(message);
  process.exit(2);
}

function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** What was installed: the two files that decide it, and the platform. */
function wanted() {
  const files = ["package.json", "package-lock.json"].map((name) => readFileSync(join(ROOT, name), "utf8"));
  const { dependencies, devDependencies, optionalDependencies, allowScripts } = JSON.parse(files[0]);
  const text = JSON.stringify({ dependencies, devDependencies, optionalDependencies, allowScripts, lock: files[1] });
  let hash = 0x811c9dc5; // FNV-1a: tells versions apart, guards nothing
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return `${process.platform}-${process.arch} ${hash.toString(16)}\n`;
}

function isInstalled() {
  const node = join(MODULES, "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  if (!existsSync(node) || statSync(node).size === 0) return false;
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted();
}

function install() {
  return new Promise((resolve) => {
    const begun = Date.now();
    console.log("Installing packages (npm install --no-save, about a minute the first time) ...");
    const cli = process.env.npm_execpath ?? "";
    const npm = cli.endsWith("npm-cli.js") ? [process.execPath, [cli]] : ["npm", []];
    // npm tells its child in the environment what this run is; an inner npm must not believe it is the same run.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|command)/.test(name)),
    );
    const args = [
      ...npm[1],
      "install",
      "--no-save",
      "--no-audit",
      "--no-fund",
      "--include=dev",
      "--include=optional",
      "--loglevel=error",
    ];
    const child = spawn(npm[0], args, { cwd: ROOT, env, stdio: ["ignore", "inherit", "inherit"] });
    const tick = setInterval(
      () => console.log(`  still installing, ${Math.round((Date.now() - begun) / 1000)} s`),
      SAY_EVERY_MS,
    );
    child.once("error", (error) =>
      fail(`npm could not be started: ${error.message}. Install npm (it comes with Node.js).`),
    );
    child.once("close", (code) => {
      clearInterval(tick);
      resolve(code);
    });
  });
}

if (!isNewEnough(process.versions.node))
  fail(
    `Almanac needs Node.js ${OLDEST.join(".")} or newer to install itself; this is ${process.versions.node}. Get a newer one from nodejs.org or your package manager. (It then runs on a Node 24 of its own.)`,
  );

if (!isInstalled()) {
  rmSync(STAMP, { force: true });
  const code = await install();
  if (code !== 0)
    fail(
      `npm install ended with code ${code}; its message is above. Check the connection to the package registry and start again: what was loaded is kept.`,
    );
  writeFileSync(STAMP, wanted());
  if (!isInstalled())
    fail(
      "npm install ended well, but node_modules/node holds no Node 24: install scripts are switched off. Allow them (`npm config set ignore-scripts false`) and start again.",
    );
}
