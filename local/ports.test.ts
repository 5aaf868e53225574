import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createPortChooser, freePort, isPortFree, PortTakenError } from "./ports.ts";

const open: Server[] = [];
afterEach(() => Promise.all(open.splice(0).map((server) => new Promise((resolve) => server.close(resolve)))));

function listen(port: number, host = "127.0.0.1"): Promise<void> {
  const server = createServer();
  open.push(server);
  return new Promise((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
}

test("a port is free until somebody listens on it, on any loopback address", async () => {
  const port = await freePort();
  expect(await isPortFree(port)).toBe(true);
  await listen(port);
  expect(await isPortFree(port)).toBe(false);
});

test("a taken port gives the next free one and says so", async () => {
  const wanted = await freePort();
  await listen(wanted);
  const said: string[] = [];
  const choose = createPortChooser((line) => said.push(line));
  const port = await choose({ setting: "REPORT_API_PORT", wanted, explicit: false });
  expect(port).toBeGreaterThan(wanted);
  expect(said).toEqual([`port ${wanted} is taken; using ${port} (REPORT_API_PORT)`]);
});

test("the same port is never given twice, and a span needs every port of it", async () => {
  const wanted = await freePort();
  const choose = createPortChooser(() => undefined);
  const first = await choose({ setting: "A", wanted, explicit: false, span: 3 });
  const second = await choose({ setting: "B", wanted, explicit: false });
  expect(second).toBeGreaterThanOrEqual(first + 3);
});

test("a port that the user set and that is taken is an error with cause and cure", async () => {
  const wanted = await freePort();
  await listen(wanted);
  const chosen = createPortChooser(() => undefined)({ setting: "REPORT_API_PORT", wanted, explicit: true });
  await expect(chosen).rejects.toThrow(PortTakenError);
  await expect(chosen).rejects.toThrow(`REPORT_API_PORT=${wanted}: another program uses this port. Stop it`);
});

test("port 0 stays 0: the role takes what the system gives", async () => {
  expect(await createPortChooser(() => undefined)({ setting: "METRICS_PORT", wanted: 0, explicit: true })).toBe(0);
});
