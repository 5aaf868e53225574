import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { freePort } from "../../../local/ports.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

export interface ApiProcess {
  url: string;
  /** as kill -9 does */
  kill(): Promise<void>;
}

/** The real report role in a process of its own, asked until it answers. */
export async function startApi(settings: {
  url: string;
  address: string;
  namespace: string;
  competition: string;
  network?: string;
}): Promise<ApiProcess> {
  const [port, metrics] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [resolve(ROOT, "workers/main.ts"), "report"], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", process.env.TEST_LOG ? "inherit" : "ignore"],
    env: {
      ...process.env,
      ...{ DATABASE_URL: settings.url, TEMPORAL_ADDRESS: settings.address, CRUNCH_ID: settings.competition },
      ...{ TEMPORAL_CHECKPOINT_NAMESPACE: settings.namespace, NETWORK: settings.network ?? "LOCAL" },
      ...{ COMPETITION: "competitions/realtime/competition.ts", FEED_SOURCE: "replay", FEED_SUBJECTS: "SP500" },
      ...{ REPORT_API_PORT: String(port), REPORT_UI_PORT: "0", METRICS_PORT: String(metrics), LOG_LEVEL: "warn" },
      ...{ CRUNCH_PUBKEY: "crunch" },
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await answering(url, child);
  return {
    url,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let left = 600; left > 0; left--) {
    if (child.exitCode !== null) throw new Error(`the report role ended with ${child.exitCode}`);
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((tick) => setTimeout(tick, 100));
  }
  throw new Error(`nobody answers at ${url}`);
}
