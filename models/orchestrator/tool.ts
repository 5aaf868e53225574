import { spawn } from "node:child_process";

const MAX_LOG_BYTES = 1 << 20;

/**
 * Runs a program to its end, in a process group of its own, nothing on stdin. Resolves with its exit code; -1 when it was
 * ended by a signal, "timeout" when we ended it. @throws Error when it cannot be started
 */
export function runLogged(
  command: string,
  args: readonly string[],
  options: {
    env: Readonly<Record<string, string>>;
    timeoutMs: number;
    /** gets what it prints, at most 1 MiB */
    log: (text: string) => void;
    signal?: AbortSignal;
  },
): Promise<number | "timeout"> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      env: options.env,
      detached: true,
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
    });
    let late = false;
    let left = MAX_LOG_BYTES;
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, options.timeoutMs);
    if (options.signal?.aborted) end();
    options.signal?.addEventListener("abort", end, { once: true });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (left > 0) options.log(text.slice(0, left));
        left -= text.length;
      });
    }
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", end);
      resolve(late ? "timeout" : (code ?? -1));
    });
  });
}
