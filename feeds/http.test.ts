import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { sourceClock } from "./clock.ts";
import type { FeedEvent } from "./feed.ts";
import { httpSource, retryAfter, SourceError } from "./http.ts";
import { reporter } from "./report.ts";

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function source(answer: (request: IncomingMessage, response: ServerResponse) => void, spacingMs = 0) {
  const server = createServer(answer).listen(0, "127.0.0.1");
  ends.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  await once(server, "listening");
  const events: FeedEvent[] = [];
  const report = reporter("x", (event) => events.push(event));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const times = { timeoutMs: 2_000, retryMs: 2, spacingMs };
  const http = httpSource({
    baseUrl,
    headers: { authorization: "Bearer k" },
    ...times,
    report,
    clock: sourceClock(report),
  });
  return { events, get: (query = {}) => http.get({ path: "/p", query, schema: z.object({ n: z.number() }) }) };
}

test("Retry-After is seconds or a date; what is neither is no answer", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  expect(retryAfter("12", nowMs)).toBe(12_000);
  expect(retryAfter("Thu, 01 Jan 2026 00:01:00 GMT", nowMs)).toBe(60_000);
  expect(retryAfter("Thu, 01 Jan 2025 00:01:00 GMT", nowMs)).toBe(0);
  for (const odd of [null, "", " ", "soon"]) expect(retryAfter(odd, nowMs)).toBeUndefined();
});

test("asks with query and headers, gives what the schema makes of the answer", async () => {
  let seen = "";
  const { get } = await source((request, response) => {
    seen = `${request.url} ${request.headers.authorization}`;
    response.end('{"n":7,"more":1}');
  });
  expect(await get({ symbol: "A B", ids: ["1", "2"] })).toEqual({ n: 7 });
  expect(seen).toBe("/p?symbol=A+B&ids=1&ids=2 Bearer k");
});

test("a refusal is not asked for again, and says where and what", async () => {
  let asked = 0;
  const { get } = await source((_request, response) => {
    asked++;
    response.writeHead(404).end("no\n  such   thing");
  });
  const refused = get();
  await expect(refused).rejects.toThrow(/\/p: HTTP 404: no such thing$/);
  await expect(refused).rejects.toMatchObject({ status: 404, name: SourceError.name });
  expect(asked).toBe(1);
});

test("requests at one time are spaced, and none goes while one of them was told to wait", async () => {
  const times: number[] = [];
  const { get, events } = await source((_request, response) => {
    times.push(performance.now());
    if (times.length === 2) response.writeHead(429, { "retry-after": "0.2" }).end();
    else response.end('{"n":1}');
  }, 20);
  await Promise.all([get(), get(), get()]);
  const after = times.filter((at) => at > times[1]! + 100);
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(15);
  expect(after.length).toBeGreaterThanOrEqual(1);
  expect(after.every((at) => at >= times[1]! + 190)).toBe(true);
  expect(events.filter(({ kind }) => kind === "rate-limited")).toMatchObject([{ ms: 200 }]);
});
