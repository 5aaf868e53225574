import { createServer, type Server as TcpServer } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { HEALTH, service } from "../protocol/messages.ts";
import { askHealth } from "./health.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

/** A real gRPC server with a health service that answers this; undefined: never. */
async function serve(status: number | undefined): Promise<string> {
  const server = new Server();
  server.addService(service(HEALTH), {
    Check: (_call: unknown, answer: (error: null, response: object) => void) => {
      if (status !== undefined) answer(null, { status });
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  ending.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

test.each([
  ["SERVING", 1, "SERVING"],
  ["NOT_SERVING", 2, "NOT_SERVING"],
  ["UNKNOWN", 0, "NOT_SERVING"],
  ["a status of the future", 99, "NOT_SERVING"],
  ["no answer", undefined, "UNREACHABLE"],
])("%s", async (_name, status, healthy) => {
  expect(await askHealth(await serve(status), undefined, 500)).toBe(healthy);
});

test("nobody there, and somebody who accepts and says nothing", async () => {
  expect(await askHealth("127.0.0.1:1", undefined, 500)).toBe("UNREACHABLE");
  const silent: TcpServer = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  ending.push(() => silent.close());
  const { port } = silent.address() as { port: number };
  expect(await askHealth(`127.0.0.1:${port}`, undefined, 500)).toBe("UNREACHABLE");
});
