import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { recipientsIndex } from "./recipients-index.ts";

const CRUNCH = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
const WALLET = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const people = [
  { id: "1", name: "ann" },
  { id: "2", name: "bob" },
];
const ann = { address: WALLET, name: "ann", cruncherIndex: 41, joined: "2026" };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function indexThat(answers: (request: IncomingMessage, response: ServerResponse) => void, limits = {}) {
  const server = createServer(answers).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cpi`;
  return recipientsIndex({ url, crunch: CRUNCH, ...limits });
}
const saying = (body: unknown) =>
  indexThat((_, response) => response.end(typeof body === "string" ? body : JSON.stringify(body)));
const listing = (...crunchers: unknown[]) => saying({ address: CRUNCH, name: "x", crunchers });

describe("the chain's index", () => {
  test("is asked for the crunch, and its own index is the recipient's, not the rank", async () => {
    const asked: (string | undefined)[] = [];
    const index = await indexThat((request, response) => {
      asked.push(request.url);
      response.end(JSON.stringify({ address: CRUNCH, crunchers: [ann] }));
    });
    expect([...(await index.resolve(people))]).toEqual([["1", { address: WALLET, name: "ann", cruncherIndex: 41 }]]);
    expect(asked).toEqual([`/cpi/crunches/${CRUNCH}`]);
    expect(index.remedy).toContain(`/cpi/crunches/${CRUNCH} does not list them`);
  });

  test.each([
    ["two entries with one index", () => listing(ann, { ...ann, name: "bob" }), "two entries with cruncherIndex 41"],
    ["two entries with one name", () => listing(ann, { ...ann, cruncherIndex: 1 }), "two entries with name ann"],
    ["an address that is none", () => listing({ ...ann, address: "x" }), "not a base58 address"],
    ["an entry without an index", () => listing({ name: "ann", address: WALLET }), "cruncherIndex"],
    ["another crunch", () => saying({ address: WALLET, crunchers: [] }), "answers for another crunch"],
    ["another shape", () => saying({ crunch: CRUNCH }), "answers in another shape"],
    ["no JSON", () => saying("<html>"), "is no JSON"],
  ])("%s is an error that says so", async (_, index, message) => {
    await expect((await index()).resolve(people)).rejects.toThrow(message);
  });

  test("an error, a redirect, too long an answer, and none in time are errors too: nobody becomes unknown by them", async () => {
    const short = { timeoutMs: 300 };
    const failing: [Parameters<typeof indexThat>[0], string, object?][] = [
      [(_, response) => response.writeHead(503).end(), "answers 503"],
      [(_, response) => response.writeHead(302, { location: "/cpi/other" }).end(), "redirect"],
      [(_, response) => response.end(JSON.stringify({ crunchers: "x".repeat(5_000) })), "more than 4000 bytes"],
      [() => undefined, "no answer within 300 ms", short],
      [(_, response) => response.write("{"), "no answer within 300 ms", short],
    ];
    for (const [answers, message, limits] of failing) {
      const index = await indexThat(answers, { maxBytes: 4_000, ...limits });
      await expect(index.resolve(people)).rejects.toThrow(message);
    }
    await expect(recipientsIndex({ url: "http://127.0.0.1:1", crunch: CRUNCH }).resolve(people)).rejects.toThrow(
      "the chain index http://127.0.0.1:1/crunches/",
    );
  });
});
