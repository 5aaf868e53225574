import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { environment } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import { listProcesses } from "../../../local/process-identity.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "almanac-start-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** `npm start` with these settings, until it ends by itself. */
async function start(settings: Record<string, string>) {
  const env = { ...environment(), ALMANAC_DIR: dir, ...settings };
  const child = spawn(process.execPath, [join(ROOT, "local/start.ts")], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  const code = await new Promise<number | null>((settle) => child.once("close", settle));
  return { code, output };
}

const nobody = await freePort();

test.each([
  {
    name: "wrong settings",
    settings: { NETWORK: "MOON", METRICS_PORT: "x" },
    message: /2 setting\(s\) cannot be used:[\s\S]*NETWORK=MOON[\s\S]*METRICS_PORT=x/,
  },
  {
    name: "no Python",
    settings: { PYTHON: "/no/python" },
    message: /PYTHON=\/no\/python was not found\. Install Python 3\.10 or newer/,
  },
  {
    name: "a database that does not answer",
    settings: { DATABASE_URL: `postgresql://a:secret@127.0.0.1:${nobody}/b` },
    message: /DATABASE_URL: PostgreSQL at .* does not answer user a: .*ECONNREFUSED.*or unset it/,
  },
  {
    name: "a Temporal that does not answer",
    settings: { TEMPORAL_ADDRESS: `127.0.0.1:${nobody}` },
    message: /TEMPORAL_ADDRESS: no Temporal answers at 127\.0\.0\.1.*or unset it/,
  },
  {
    name: "a chain that does not answer",
    settings: { SOLANA_RPC_URL: `http://127.0.0.1:${nobody}` },
    message: /SOLANA_RPC_URL: no healthy chain answers at 127\.0\.0\.1.*or unset it/,
  },
])("$name: exit 2, cause and cure, no stack trace, nothing left running", async ({ settings, message }) => {
  const { code, output } = await start(settings);
  expect(output).toMatch(message);
  expect(output).not.toMatch(/\n\s+at .*:\d+:\d+|secret/);
  expect(code).toBe(2);
  expect(listProcesses().filter(({ command }) => command.includes(dir))).toEqual([]);
});
