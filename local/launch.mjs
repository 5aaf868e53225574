// `node local/launch.mjs <program.ts> [arguments]`: runs a program under the Node 24 of node_modules, whatever Node this is.
// Plain JavaScript, no dependencies.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import * as modules from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const NODE = join(ROOT, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
const [program, ...args] = process.argv.slice(2);

if (!program || !existsSync(NODE)) {
  console.error(
    program
      ? "Node 24 is not installed in node_modules yet: run `npm install`."
      : "usage: node local/launch.mjs <program.ts> [arguments]",
  );
  process.exit(2);
}

const path = resolve(ROOT, program);
async function bundles() {
  const { bundledPrograms } = await import("./programs.ts");
  return bundledPrograms(ROOT, join(ROOT, ".almanac", "programs"), (line) => console.log(line));
}
if (realpathSync(process.execPath) === realpathSync(NODE)) {
  modules.enableCompileCache?.(join(ROOT, ".almanac", "compile-cache")); // compiled code and stripped types of earlier starts
  process.argv.splice(1, 2, path); // the program sees its own arguments
  // What runs for long is worth a bundle; a command is over sooner than it is made.
  const preload = program === "local/start.ts" ? await bundles() : undefined;
  if (preload) {
    process.execArgv.push("--import", preload); // for the processes that the program starts
    await import(preload);
  }
  await import(pathToFileURL(path).href);
} else {
  const child = spawn(NODE, [...process.execArgv, fileURLToPath(import.meta.url), program, ...args], {
    stdio: "inherit",
  });
  // Ctrl-C reaches both through the terminal; the others come to this process alone.
  process.on("SIGINT", () => undefined);
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
  child.once("exit", (code, signal) => {
    process.removeAllListeners(signal ?? "exit");
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  });
}
