import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { freePort } from "../../../local/ports.ts";
import { ensureSigningKey } from "../../../local/signing-key.ts";

const MAIN = resolve(import.meta.dirname, "../../../chain/dev-chain/main.ts");
const balance = z.object({ result: z.object({ value: z.number().int() }) });

/** The dev chain as a process of its own, final after a second, and a key that signs submissions. */
export interface ChainProcess extends AsyncDisposable {
  url: string;
  keyPath: string;
  /** lamports, at finalized */
  balanceOf(address: string): Promise<bigint>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export async function startChain(): Promise<ChainProcess> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-chain-"));
  const keyPath = join(folder, "keys", "submitter.json");
  ensureSigningKey(keyPath);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null) return;
    const ended = new Promise<void>((done) => dying.once("exit", () => done()));
    dying.kill("SIGKILL");
    await ended;
  };
  const start = async (): Promise<void> => {
    const settings = { dir: join(folder, "chain"), port, slotMs: 50, finalAfterSlots: 20 };
    child = spawn(process.execPath, [MAIN, JSON.stringify(settings)], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout! })) if (line.includes('"ready":true')) break;
  };
  await start();
  return {
    url,
    keyPath,
    start,
    kill,
    balanceOf: async (address) => {
      const body = { jsonrpc: "2.0", id: 1, method: "getBalance", params: [address, { commitment: "finalized" }] };
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return BigInt(balance.parse(await answer.json()).result.value);
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
