/** Preloaded into a fleet's processes: at SIGUSR2 the runner writes how late its event loop was since the last time. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Part of every delay that is the probe's own timer, in ms. */
export const PROBE_MS = 5;
/** The runner's home is its state folder. */
export const PROBE_FILE = "loop-delay.json";

if (/runner\/main\.[jt]s$/.test(process.argv[1] ?? "")) {
  const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
  delay.enable();
  process.on("SIGUSR2", () => {
    const seen = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
    writeFileSync(join(process.env.HOME ?? "/tmp", PROBE_FILE), JSON.stringify(seen));
    delay.reset();
  });
}
