import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { environment } from "../config.ts";
import packageJson from "../package.json" with { type: "json" };

const WITHIN_MS = 300_000;

/** One `npm start` in a folder of its own, watched through what it prints. */
export function startNode(dir: string) {
  const child: ChildProcess = spawn(process.execPath, packageJson.scripts.start.split(" ").slice(1), {
    cwd: resolve(import.meta.dirname, ".."),
    env: { ...environment(), ALMANAC_DIR: dir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const begun = performance.now();
  let output = "";
  let look = () => {};
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
    look();
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));

  /** Seconds from the start until the text was printed. */
  function until(text: string): Promise<number> {
    return new Promise((done, fail) => {
      const giveUp = (why: string) =>
        fail(
          new Error(
            `${why} before "${text}" was printed. Its last lines:\n${output.split("\n").slice(-30).join("\n")}`,
          ),
        );
      const timer = setTimeout(() => giveUp(`${WITHIN_MS / 1000} s passed`), WITHIN_MS);
      ended.then(() => giveUp("the start ended"));
      look = () => {
        if (!output.includes(text)) return;
        clearTimeout(timer);
        done((performance.now() - begun) / 1000);
      };
      look();
    });
  }
  return { pid: child.pid ?? 0, until, ended, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}
export type NodeRun = ReturnType<typeof startNode>;

/** Seconds that it takes to stop after SIGTERM. */
export async function stopNode(run: NodeRun): Promise<number> {
  const begun = performance.now();
  run.kill("SIGTERM");
  await run.ended;
  return (performance.now() - begun) / 1000;
}

/** Prints a table of measures and gives back the exit code: 1 when one is over its target. */
export function judge(rows: readonly { name: string; value: number; target: number; unit: string }[]): number {
  for (const { name, value, target, unit } of rows) {
    const mark = value <= target ? "ok  " : "OVER";
    console.log(`${mark}  ${name.padEnd(52)} ${value.toFixed(1).padStart(8)} ${unit.padEnd(10)} (at most ${target})`);
  }
  return rows.every(({ value, target }) => value <= target) ? 0 : 1;
}
