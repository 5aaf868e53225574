import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SANDBOX } from "../fixtures/sandbox.ts";
import { type Control, createControl } from "./control.ts";
import type { Runner } from "./runner.ts";

let folder: string;
let control: Control;
const applied: unknown[] = [];
const runner: Runner = {
  info: () => ({
    pid: 7,
    fleetPort: 50_000,
    sandbox: SANDBOX,
    models: [],
  }),
  apply: (models) => applied.push(models),
  restart: () => expect.unreachable(),
  log: () => "printed",
  close: async () => expect.unreachable(),
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "almanac-control-"));
});
afterEach(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(graceMs: number) {
  const socketPath = join(folder, "runner.sock");
  const { promise: stopped, resolve } = Promise.withResolvers<string>();
  control = await createControl({
    socketPath,
    settings: "fingerprint",
    graceMs,
    runner: () => runner,
    onStop: resolve,
  });
  return { socketPath, stopped };
}

test("an orchestrator is told the state at once, is obeyed, and nobody else may come in", async () => {
  const { socketPath, stopped } = await serve(60_000);
  expect(statSync(socketPath).mode & 0o077).toBe(0);
  const socket = createConnection(socketPath);
  const lines = createInterface({ input: socket });
  const [first] = await once(lines, "line");
  expect(JSON.parse(first)).toEqual({ event: "info", settings: "fingerprint", info: runner.info() });
  const model = { deploymentId: "d", modelId: "m", version: "1", code: "/x.py", packages: [], trusted: true };
  socket.write(
    `${JSON.stringify({ op: "apply", models: [model] })}\n${JSON.stringify({ op: "log", deploymentId: "d" })}\n`,
  );
  const [log] = await once(lines, "line");
  expect(JSON.parse(log)).toEqual({ event: "log", deploymentId: "d", text: "printed" });
  expect(applied).toEqual([[model]]);
  socket.write(`${JSON.stringify({ op: "stop" })}\n`);
  expect(await stopped).toBe("told to stop");
});

test("without an orchestrator for long enough it asks to stop", async () => {
  const { stopped } = await serve(20);
  expect(await stopped).toBe("no orchestrator");
});
