import { spawn } from "node:child_process";
import { programPath } from "../local/program.ts";

/** `almanac start [roles]`: the roles in one process, its signals and exit code passed through. */
export async function start(roles: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [programPath("workers/main"), roles.join(",")], { stdio: "inherit" });
  process.on("SIGINT", () => undefined); // the terminal tells both
  for (const name of ["SIGTERM", "SIGHUP"] as const) process.on(name, () => child.kill(name));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
