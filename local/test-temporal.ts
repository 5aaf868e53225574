import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection } from "@temporalio/client";
import { endProcess } from "./end-process.ts";
import { freePort } from "./ports.ts";
import { type Identity, identify } from "./process-identity.ts";
import { temporalArgs, waitForTemporal } from "./temporal.ts";
import { findTemporal } from "./temporal-binary.ts";
import { prepareTemporal } from "./temporal-setup.ts";

/** A Temporal dev server for one test run, in a temporary folder, on free ports. */
export type TestTemporal = { address: string; identity: Identity; stop(): Promise<void> };

type Options = {
  /** Environment in which the binary is looked for. */
  env: Readonly<Record<string, string | undefined>>;
  /** Without any flag of ours, as a user would start it (then no namespace and no search attribute is made either). */
  plain?: boolean;
  namespaces?: { rounds: string; checkpoints: string };
  say?: (line: string) => void;
};

const TRIES = 3;
const SAID_CHARS = 1_000;

/** A server that ends while it starts (a port that it chose was taken by somebody else in that moment) is started again on other ports. */
export async function startTestTemporal(options: Options): Promise<TestTemporal> {
  const { env, say = () => undefined } = options;
  const binary = await findTemporal(env, say);
  for (let tried = 1; ; tried++)
    try {
      return await startOnce(binary, options);
    } catch (error) {
      if (tried === TRIES) throw error;
      say(`${(error as Error).message}; starting it again`);
    }
}

async function startOnce(binary: string, { plain = false, namespaces }: Options): Promise<TestTemporal> {
  const { rounds, checkpoints } = namespaces ?? { rounds: "almanac", checkpoints: "almanac-checkpoints" };
  const dir = mkdtempSync(join(tmpdir(), "almanac-temporal-"));
  const port = await freePort();
  const plainArgs = ["server", "start-dev", "--port", String(port), "--headless"];
  const tuned = temporalArgs({ dir, port, uiPort: await freePort(), namespaces: [rounds, checkpoints] });
  const log = join(dir, "server.log");
  const written = openSync(log, "w");
  const child = spawn(binary, plain ? plainArgs : tuned, { stdio: ["ignore", written, written] });
  closeSync(written);
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (!identity) throw new Error(`Temporal did not start: ${binary}`);
  const stop = async () => {
    await endProcess(identity, Date.now() + 3000);
    rmSync(dir, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${port}`;
  const gone = new AbortController();
  child.once("exit", () => gone.abort());
  try {
    await waitForTemporal(address, { signal: gone.signal });
    if (!plain) {
      const connection = await Connection.connect({ address });
      await prepareTemporal(connection, rounds, checkpoints);
      await connection.close();
    }
  } catch (error) {
    const said = readFileSync(log, "utf8").slice(-SAID_CHARS);
    await stop();
    throw new Error(`${(error as Error).message}\n${said}`, { cause: error });
  }
  return { address, identity, stop };
}
