#!/usr/bin/env node
// The `almanac` command: starts cli/main under the Node 24 that comes as a package, whatever Node this is.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const program = ["main.js", "main.ts"].map((name) => join(here, name)).find(existsSync);
const node = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: "inherit" });
process.on("SIGINT", () => undefined); // the terminal tells both
for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
child.once("error", (error) => {
  console.error(`Node 24 could not be started: ${error.message}. Run \`npm install\`.`);
  process.exit(2);
});
child.once("exit", (code) => process.exit(code ?? 1));
