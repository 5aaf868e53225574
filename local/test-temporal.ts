import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
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

export async function startTestTemporal({
  env,
  plain = false,
  namespaces,
  say = () => undefined,
}: Options): Promise<TestTemporal> {
  const { rounds, checkpoints } = namespaces ?? { rounds: "almanac", checkpoints: "almanac-checkpoints" };
  const binary = await findTemporal(env, say);
  const dir = mkdtempSync(join(tmpdir(), "almanac-temporal-"));
  const port = await freePort();
  const plainArgs = ["server", "start-dev", "--port", String(port), "--headless"];
  const tuned = temporalArgs({ dir, port, uiPort: await freePort(), namespaces: [rounds, checkpoints] });
  const child = spawn(binary, plain ? plainArgs : tuned, { stdio: "ignore" });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (!identity) throw new Error(`Temporal did not start: ${binary}`);
  const stop = async () => {
    await endProcess(identity, Date.now() + 3000);
    rmSync(dir, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${port}`;
  try {
    await waitForTemporal(address);
    if (!plain) {
      const connection = await Connection.connect({ address });
      await prepareTemporal(connection, rounds, checkpoints);
      await connection.close();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, identity, stop };
}
