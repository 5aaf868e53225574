import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const ASK = `import json, os, site, sys
print(json.dumps({"executable": os.path.realpath(sys.executable), "version": sys.version_info[:3], "site": site.getsitepackages(),
  "prefixes": sorted({os.path.realpath(p) for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)}), "searchPath": os.environ.get("PATH", "")}))`;

const answer = z.object({
  executable: z.string().startsWith("/"),
  version: z.tuple([z.number(), z.number(), z.number()]),
  site: z.array(z.string()),
  prefixes: z.array(z.string()),
  searchPath: z.string(),
});
/** A Python interpreter: its real path, the folders it needs, the PATH it was found by. */
export type Interpreter = z.infer<typeof answer>;

async function ask(command: string): Promise<Interpreter> {
  const { stdout } = await run(command, ["-B", "-c", ASK], { timeout: 20_000 });
  return answer.parse(JSON.parse(stdout));
}

const tooOld = ({ version: [major, minor] }: Interpreter) => major < 3 || (major === 3 && minor < 10);

/**
 * The wanted interpreter first, then the system's, which a model's own uid can reach where a home folder cannot be.
 * @throws Error naming cause and cure when there is none of version 3.10 or newer
 */
export async function findInterpreters(wanted: string): Promise<Interpreter[]> {
  const system = ["/usr/bin/python3", "/usr/local/bin/python3"].filter((path) => path !== wanted && existsSync(path));
  const found: Interpreter[] = [];
  const problems: string[] = [];
  for (const command of [wanted, ...system]) {
    try {
      const interpreter = await ask(command);
      if (tooOld(interpreter)) problems.push(`${command} is Python ${interpreter.version.join(".")}`);
      else if (!found.some((other) => other.executable === interpreter.executable)) found.push(interpreter);
    } catch (error) {
      problems.push(`${command}: ${String((error as Error).message).split("\n")[0]}`);
    }
  }
  if (found.length > 0) return found;
  throw new Error(
    `No Python 3.10 or newer to run models (${problems.join("; ")}). Install python3, or set PYTHON to an interpreter.`,
  );
}
