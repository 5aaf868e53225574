import { createServer } from "node:net";
import { expect, test } from "vitest";
import { listeningPorts, occupants } from "./footprint.ts";

test.runIf(process.platform === "linux")("a process is weighed and its listening ports are found", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
  const self = occupants(process.pid, "/no/such/folder").find(({ identity }) => identity.pid === process.pid);
  expect(self?.program).toBe("node");
  expect(self?.rssMb).toBeGreaterThan(10);
  expect(listeningPorts([process.pid])).toContain(port);
  await new Promise((resolve) => server.close(resolve));
  expect(listeningPorts([process.pid])).not.toContain(port);
});
