import { fastify } from "fastify";
import { describe, expect, it } from "vitest";
import { type AuthSettings, isLoopback, registerAuth } from "./auth.ts";
import { sendFailure } from "./problem.ts";

const KEY = "0123456789abcdef0123456789abcdef";

function serverWith(settings: AuthSettings) {
  const app = fastify();
  app.setErrorHandler(sendFailure);
  registerAuth(app, settings);
  for (const tier of ["public", "read", "write"] as const)
    app.route({
      method: ["GET", "POST"],
      url: `/${tier}`,
      config: { tier },
      handler: async (request) => ({ trusted: request.trusted }),
    });
  return app;
}

const ask = async (
  settings: AuthSettings,
  url: string,
  headers: Record<string, string> = {},
  remoteAddress = "127.0.0.1",
) => {
  const method = url.startsWith("/write") ? "POST" : "GET";
  return serverWith(settings).inject({ method, url, headers: { host: "localhost:8000", ...headers }, remoteAddress });
};

const open = { readAuth: true };
const keyed = { apiKey: KEY, readAuth: true };
const readable = { apiKey: KEY, readAuth: false };

describe("tiers", () => {
  it.each([
    ["public without a key set", open, "/public", {}, "127.0.0.1", 200],
    ["read without a key set, from elsewhere", open, "/read", {}, "203.0.113.9", 200],
    ["write without a key set, from this machine", open, "/write", {}, "127.0.0.1", 200],
    ["write without a key set, from this machine, IPv6", open, "/write", {}, "::ffff:127.0.0.1", 200],
    ["write without a key set, from elsewhere", open, "/write", {}, "203.0.113.9", 401],
    ["write from a page of another origin", open, "/write", { origin: "https://evil.example" }, "127.0.0.1", 401],
    ["write from an opaque origin", open, "/write", { origin: "null" }, "127.0.0.1", 401],
    ["write from our own page", open, "/write", { origin: "http://localhost:8000" }, "127.0.0.1", 200],
    [
      "write under a name that was rebound to this machine",
      open,
      "/write",
      { host: "rebound.example" },
      "127.0.0.1",
      401,
    ],
    ["write through a proxy on this machine", open, "/write", { "x-forwarded-for": "203.0.113.9" }, "127.0.0.1", 401],
    ["public with a key set", keyed, "/public", {}, "203.0.113.9", 200],
    ["read with a key set, none shown", keyed, "/read", {}, "127.0.0.1", 401],
    ["read with a wrong key", keyed, "/read", { "x-api-key": `${KEY}x` }, "127.0.0.1", 401],
    ["read with the key", keyed, "/read", { "x-api-key": KEY }, "203.0.113.9", 200],
    ["read with the key as bearer", keyed, "/read", { authorization: `Bearer ${KEY}` }, "203.0.113.9", 200],
    ["the key in the address is not looked at", keyed, `/read?api_key=${KEY}`, {}, "127.0.0.1", 401],
    ["write with a key set, from this machine without it", keyed, "/write", {}, "127.0.0.1", 401],
    ["write with the key", keyed, "/write", { "x-api-key": KEY }, "203.0.113.9", 200],
    ["read where reads are open although there is a key", readable, "/read", {}, "203.0.113.9", 200],
    ["write where reads are open although there is a key", readable, "/write", {}, "127.0.0.1", 401],
  ])("%s", async (_name, settings, url, headers: Record<string, string>, address, status) => {
    expect((await ask(settings, url, headers, address)).statusCode).toBe(status);
  });

  it.each([
    ["no key is set", open, {}, true],
    ["the key was shown", readable, { "x-api-key": KEY }, true],
    ["reads are open, no key was shown", readable, {}, false],
  ])("trusts the caller only where %s", async (name, settings, headers: Record<string, string>, trusted) => {
    expect((await ask(settings, "/read", headers)).json(), name).toEqual({ trusted });
  });

  it("says how a key is sent", async () => {
    expect((await ask(keyed, "/read")).json().detail).toContain("X-API-Key");
  });

  it.each(["/Write", "/write/", "//write", "/write%2f", "/%77rite/../write", "/writeX", "/./write"])(
    "does not open %s to a caller without the key",
    async (url) => {
      const status = (await serverWith(keyed).inject({ method: "POST", url })).statusCode;
      expect([401, 404]).toContain(status);
    },
  );

  it("is not fooled by a method override", async () => {
    const headers = { "x-http-method-override": "POST" };
    expect((await serverWith(keyed).inject({ method: "GET", url: "/write", headers })).statusCode).toBe(401);
  });

  it("does not start with a route that states no tier", () => {
    const app = serverWith(open);
    expect(() => app.get("/forgotten", async () => "")).toThrow(/GET \/forgotten states no tier/);
  });
});

it.each([
  ["127.0.0.1", true],
  ["127.8.9.1", true],
  ["::1", true],
  ["localhost", true],
  ["127.0.0.1.example.com", false],
  ["10.0.0.1", false],
  ["", false],
])("loopback %s: %s", (name, expected) => {
  expect(isLoopback(name)).toBe(expected);
});
