import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTransport } from "./transport.ts";

let server: Server;
let url: string;
let asked = 0;
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  asked = 0;
  server = createServer((request, response) => {
    asked++;
    answer(request, response);
  });
  await new Promise<void>((up) => server.listen(0, "127.0.0.1", up));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});
const status = (code: number, headers: Record<string, string> = {}) => {
  answer = (_, response) => response.writeHead(code, headers).end("later");
};

test("integers keep every digit, fractions stay numbers", async () => {
  answer = (_, response) => response.end('{"slot":18446744073709551615,"share":0.5,"text":"7"}');
  expect(await createTransport(url)({ payload: { at: 1n } })).toEqual({
    ...{ slot: 18_446_744_073_709_551_615n, share: 0.5, text: "7" },
  });
});
test.each([429, 503])("HTTP %i with Retry-After is left alone until then", async (code) => {
  let now = 1_000_000;
  status(code, { "retry-after": "30" });
  const transport = createTransport(url, () => now);
  await expect(transport({ payload: {} })).rejects.toMatchObject({ code: "UNREACHABLE", retryAfterMs: 30_000 });
  now += 10_000;
  await expect(transport({ payload: {} })).rejects.toMatchObject({ retryAfterMs: 20_000 });
  expect(asked).toBe(1);
  now += 20_001;
  answer = (_, response) => response.end("1");
  expect(await transport({ payload: {} })).toBe(1n);
});
test("a date counts too, nobody is left alone for more than ten minutes, and nonsense is no date", async () => {
  const now = Date.UTC(2026, 0, 1);
  const after = async (text: string) => {
    status(429, { "retry-after": text });
    return createTransport(url, () => now)({ payload: {} }).catch((e: { retryAfterMs?: number }) => e.retryAfterMs);
  };
  expect(await after("Thu, 01 Jan 2026 00:00:07 GMT")).toBe(7_000);
  expect(await after("86400")).toBe(600_000);
  expect(await after("soon")).toBeUndefined();
});
test("without Retry-After the next call goes out", async () => {
  status(503);
  const transport = createTransport(url);
  for (const _ of [1, 2]) await expect(transport({ payload: {} })).rejects.toMatchObject({ code: "UNREACHABLE" });
  expect(asked).toBe(2);
});
test("an answer without end, a redirect and text that is no JSON are not believed", async () => {
  const transport = createTransport(url);
  answer = (_, response) => {
    const more = () => response.write(Buffer.alloc(1 << 20, "1")) && setImmediate(more);
    response.on("drain", more);
    more();
  };
  await expect(transport({ payload: {} })).rejects.toMatchObject({ message: expect.stringContaining("more than") });
  status(302, { location: "http://127.0.0.1:1/" });
  await expect(transport({ payload: {} })).rejects.toThrow();
  answer = (_, response) => response.end("<html>");
  await expect(transport({ payload: {} })).rejects.toThrow();
});
