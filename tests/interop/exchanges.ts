import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { publicVersion } from "./venv.ts";

let exchanges = 0;

/** Counts requests that went over the wire between one of our pieces and a public one, and were answered. */
export function exchanged(count = 1): void {
  exchanges += count;
}

/** Says how much was exchanged, also in a file that `.ci/run` prints. */
export function reportExchanges(): number {
  const packages = (["model-runner-client", "crunch-model-runner"] as const).map(
    (name) => `${name} ${publicVersion(name)}`,
  );
  const line = `interop: ${packages.join(", ")}, ${exchanges} exchanges`;
  const folder = resolve(import.meta.dirname, "../..", process.env.ALMANAC_DIR ?? ".almanac", "figures");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "interop.txt"), `${line}\n`);
  console.log(line);
  return exchanges;
}
