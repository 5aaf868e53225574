import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixture, until } from "../fixtures/test-fleet.ts";

test.skipIf(!existsSync("/proc/self/fdinfo"))(
  "descriptors that the runner inherited lead nowhere for a model",
  async () => {
    const module = new URL("./host-process.ts", import.meta.url).href;
    const logs = new URL("./log-drain.ts", import.meta.url).href;
    const script = `const { startHostProcess } = await import(${JSON.stringify(module)});
    const { createModelLog } = await import(${JSON.stringify(logs)});
    const log = createModelLog();
    const launch = { command: "ls", args: ["-l", "/proc/self/fd"], env: { PATH: "/usr/bin:/bin" }, group: false };
    const own = startHostProcess(launch, log, { frame: () => true, oversize() {}, end() {} });
    await own.exited;
    process.stdout.write(log.text());`;
    const inherited = Array(40).fill("ignore");
    const runner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit", ...inherited, "pipe"],
    });
    let seen = "";
    runner.stdout?.on("data", (text) => {
      seen += text;
    });
    await new Promise((resolve) => runner.once("close", resolve));
    expect(seen).toMatch(/ 3 -> socket:/);
    expect(seen).toMatch(/ 43 -> \/dev\/null/);
  },
);

/** Processes of an account, by what they run. */
function processesOf(uid: number): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const own = new RegExp(`^Uid:\\t${uid}\\t`, "m").test(readFileSync(`/proc/${pid}/status`, "utf8"));
        return own ? [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")] : [];
      } catch {
        return []; // gone meanwhile
      }
    });
}

// Only root gives accounts, by which a model's processes can be told.
test.skipIf(process.getuid?.() !== 0).for([
  ["bwrap", 171],
  ["unshare", 172],
] as const)("with a runner that is killed a spinning model in %s is gone", async ([level, slot], { skip }) => {
  const state = mkdtempSync(join(tmpdir(), "almanac-killed-"));
  chmodSync(state, 0o755);
  const uid = 60_000 + slot;
  const runner = spawn(process.execPath, [fixture("run-spinner.ts"), level, String(slot), state], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const over = new Promise<string>((resolve) => runner.once("exit", () => resolve("it ended")));
    const said = await Promise.race([
      over,
      new Promise((resolve) => runner.stdout?.once("data", (d) => resolve(`${d}`))),
    ]);
    if (said !== "0\n" && !process.env.CI) skip(`${level} does not work on this machine`);
    expect(said).toBe("0\n");
    expect(processesOf(uid).join()).toMatch(/host\.py/);
    runner.kill("SIGKILL");
    await until(
      () => processesOf(uid),
      (left) => left.length === 0,
    );
  } finally {
    runner.kill("SIGKILL");
    rmSync(state, { recursive: true, force: true });
  }
});
