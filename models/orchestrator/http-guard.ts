import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { HttpProblem } from "./http-problem.ts";

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

/** This machine, by any of its own names or addresses. */
export function isLoopback(name: string): boolean {
  if (name === "localhost") return true;
  const plain = name.replace(/^::ffff:/i, "");
  return isIP(plain) === 4 ? plain.startsWith("127.") : plain === "::1";
}

/**
 * Refuses every request that shows no key; without a key, every request that is not from this machine for this machine:
 * a page of another origin, a rebound name and a proxy come from here, too, and are nobody's owner.
 */
export function createGuard(apiKey: string | undefined): (request: FastifyRequest) => void {
  const expected = apiKey === undefined ? null : sha256(apiKey);
  return (request) => {
    const shown = keyOf(request);
    if (expected !== null) {
      if (shown !== null && timingSafeEqual(sha256(shown), expected)) return;
      const why = shown === null ? "send the orchestrator's key as `X-API-Key: <key>`" : "the key is not the right one";
      throw new HttpProblem(401, "unauthorized", why);
    }
    const { host = "", origin } = request.headers;
    const forwarded = request.headers["x-forwarded-for"] ?? request.headers.forwarded;
    const sameOrigin = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
    if (isLoopback(request.socket.remoteAddress ?? "") && isLoopback(nameOf(host)) && sameOrigin && !forwarded) return;
    throw new HttpProblem(
      401,
      "unauthorized",
      "without ORCHESTRATOR_API_KEY only this machine itself is served, under a loopback name: set the key and send it",
    );
  };
}

function keyOf(request: FastifyRequest): string | null {
  const named = request.headers["x-api-key"];
  if (typeof named === "string") return named;
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? null;
}

const nameOf = (host: string): string =>
  URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "") : "";
