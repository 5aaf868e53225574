import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ApiError } from "./problem.ts";

/** Who may ask: everybody; holders of the key (or everybody, by setting); holders of the key (or this machine, where there is none). */
type Tier = "public" | "read" | "write";

declare module "fastify" {
  interface FastifyContextConfig {
    tier?: Tier;
  }
  interface FastifyRequest {
    /** the caller may see everything: it showed the key, or there is none */
    trusted: boolean;
    /** the caller runs this node: it showed the key, or there is none and it is on this machine */
    operator: boolean;
  }
}

export interface AuthSettings {
  apiKey?: string | undefined;
  readAuth: boolean;
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Refuses to start with a route that states no tier, and every request that its route's tier does not allow. */
export function registerAuth(
  app: Pick<FastifyInstance, "addHook" | "decorateRequest">,
  { apiKey, readAuth }: AuthSettings,
): void {
  const expected = apiKey === undefined ? null : sha256(apiKey);
  app.addHook("onRoute", (route) => {
    if (!route.config?.tier)
      throw new Error(
        `the route ${String(route.method)} ${route.url} states no tier: set config.tier to public, read or write`,
      );
  });
  app.decorateRequest("trusted", false);
  app.decorateRequest("operator", false);
  app.addHook("onRequest", async (request) => {
    const shown = keyOf(request);
    const valid = expected !== null && shown !== null && timingSafeEqual(sha256(shown), expected);
    request.trusted = expected === null || valid;
    request.operator = valid || (expected === null && isLocal(request));
    const tier = request.routeOptions.config.tier;
    if (request.is404 || tier === "public" || valid) return;
    if (tier === undefined) throw new ApiError(403, "forbidden", "this route is not open to anybody");
    if (expected === null && tier === "read") return;
    if (expected === null && isLocal(request)) return;
    if (expected === null)
      throw new ApiError(
        401,
        "unauthorized",
        "without API_KEY, changes are accepted from this machine only: set API_KEY and send it",
      );
    if (tier === "read" && !readAuth) return;
    throw new ApiError(401, "unauthorized", shown === null ? KEY_WANTED : "the API key is not the right one");
  });
}

const KEY_WANTED =
  "this route wants the node's API key: send it as `X-API-Key: <key>` or `Authorization: Bearer <key>`, never in the address";

function keyOf(request: FastifyRequest): string | null {
  const named = request.headers["x-api-key"];
  if (typeof named === "string") return named;
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? null;
}

/** A web page of another origin, a rebound name and a proxy all come from this machine too: none of them is its owner. */
function isLocal(request: FastifyRequest): boolean {
  const { host, origin } = request.headers;
  const forwarded = request.headers["x-forwarded-for"] ?? request.headers.forwarded;
  const sameOrigin = origin === undefined || hostOf(origin) === host;
  return (
    isLoopback(request.socket.remoteAddress ?? "") &&
    isLoopback(nameOf(host ?? "")) &&
    sameOrigin &&
    forwarded === undefined
  );
}

const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null);
const nameOf = (host: string): string =>
  URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "") : "";

export function isLoopback(name: string): boolean {
  if (name === "localhost") return true;
  const plain = name.replace(/^::ffff:/i, "");
  return isIP(plain) === 4 ? plain.startsWith("127.") : plain === "::1";
}
