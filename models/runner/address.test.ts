import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAddress, removeStaleSocket } from "./address.ts";

test.each([
  ["127.0.0.1:50051", { grpc: "127.0.0.1:50051" }],
  ["[::]:50051", { grpc: "[::]:50051" }],
  ["localhost:0", { grpc: "localhost:0" }],
  ["unix:/run/m.sock", { grpc: "unix:/run/m.sock", socketPath: "/run/m.sock" }],
  ["unix:///run/m.sock", { grpc: "unix:/run/m.sock", socketPath: "/run/m.sock" }],
  ["unix:m.sock", { grpc: "unix:m.sock", socketPath: "m.sock" }],
])("%s", (text, address) => expect(parseAddress(text)).toEqual(address));

test.each(["", "127.0.0.1", "127.0.0.1:", ":50051", "a:b", "host:65536", "::1:50051", "a b:1", "http://x:1", "unix:"])(
  "%j is none",
  (text) => expect(() => parseAddress(text)).toThrow(/is no address: host:port/),
);

test("a path that no socket can have", () =>
  expect(() => parseAddress(`unix:/${"x".repeat(120)}`)).toThrow(/at most 107 bytes/));

test("only a socket that nobody serves is removed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "almanac-address-"));
  const [socket, file] = [join(folder, "s.sock"), join(folder, "file")];
  writeFileSync(file, "mine");
  await removeStaleSocket(join(folder, "nothing"));
  await expect(removeStaleSocket(file)).rejects.toThrow(/is there and no socket/);
  const server = createServer().listen(socket);
  await new Promise((resolve) => server.once("listening", resolve));
  await expect(removeStaleSocket(socket)).rejects.toThrow(/in use by another server/);
  server.close();
  rmSync(folder, { recursive: true });
});
