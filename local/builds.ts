import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const NOT_SOURCES = new Set(["node_modules", "dist", ".almanac"]);

/** Time of the newest file at or below `path`, ms since the epoch; 0 when there is none. */
function newestIn(path: string): number {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const entries = readdirSync(path).filter((name) => !NOT_SOURCES.has(name));
  return Math.max(0, ...entries.map((name) => newestIn(join(path, name))));
}

/** True when a source is newer than the product, or there is no product. */
export const isStale = (product: string, sources: readonly string[]): boolean =>
  !existsSync(product) || Math.max(...sources.map(newestIn)) > statSync(product).mtimeMs;

/** Runs a step with Node; gives back the end of its output, throws with the end of its output when it fails. */
export function build(
  name: string,
  node: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${name} could not be made ready:\n${output.trim()}`)),
    );
  });
}
