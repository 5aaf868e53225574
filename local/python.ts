import { execFile } from "node:child_process";
import { promisify } from "node:util";

const OLDEST: readonly [number, number] = [3, 10];
const run = promisify(execFile);

/** Version of the interpreter, as in "3.12.1". Throws with cause and cure when it is missing or too old. */
export async function checkPython(python: string): Promise<string> {
  const cure = `Install Python ${OLDEST.join(".")} or newer (apt install python3, brew install python, python.org), or set PYTHON to an interpreter.`;
  let version: string;
  try {
    const { stdout } = await run(python, ["-c", "import platform; print(platform.python_version())"], {
      timeout: 20_000,
    });
    version = stdout.trim();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "was not found" : "did not run";
    throw new Error(`The models of this competition are Python programs, and PYTHON=${python} ${reason}. ${cure}`, {
      cause: error,
    });
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new Error(`PYTHON=${python} is Python ${version}. ${cure}`);
  return version;
}
