import { existsSync } from "node:fs";
import { join } from "node:path";
import files from "@fastify/static";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";

/** Paths that belong to the API: an unknown one is an error, not the page. */
const API_PATH = /^\/(v1|reports|data|tournament|timing-metrics|problems)(\/|$)/;
const ASSET = /^\/assets\/[\w.-]+$/;
const NOT_BUILT =
  "the page is not built: run `npm run build:web` and start again; the API itself works, see /openapi.json";

/** The built page: hashed files never change, every other address is the page itself. */
export async function pageRoutes(app: App, { settings: { webRoot } }: ApiDeps): Promise<void> {
  if (webRoot === undefined) return;
  const built = existsSync(join(webRoot, "index.html"));
  if (built) await app.register(files, { root: webRoot, serve: false });
  else app.log.warn(NOT_BUILT);
  app.get("/*", { config: { tier: "public" }, schema: { hide: true } }, async (request, reply) => {
    const path = request.url.split("?", 1)[0]!;
    if (API_PATH.test(path)) throw notFound(`nothing is at ${request.method} ${path}`);
    if (!built) throw notFound(NOT_BUILT);
    if (ASSET.test(path)) return reply.sendFile(path.slice(1), { maxAge: "365d", immutable: true });
    if (/\.\w+$/.test(path)) throw notFound(`no file at ${path}`);
    return reply.sendFile("index.html", { cacheControl: false }).header("cache-control", "no-cache");
  });
}
