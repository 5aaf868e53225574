import { z } from "zod";
import { sandboxLevel } from "../../db/models.ts";
import { health, liveness, nodeInfo, readiness } from "../contract/node.ts";
import type { ApiDeps, App } from "../deps.ts";
import { missingOf } from "../readiness.ts";
import { shareFor } from "../share.ts";

const READINESS_SHARE_MS = 500;
const INFO_SHARE_MS = 5_000;

/** What the node is, and whether it works. */
export function nodeRoutes(app: App, { settings, db, competition, checks, metrics }: ApiDeps): void {
  const tags = ["node"];
  const tier = "public" as const;
  app.get(
    "/healthz",
    {
      config: { tier },
      schema: { operationId: "getHealth", tags, summary: "The process answers", response: { 200: health } },
    },
    async () => ({ status: "ok" as const, version: settings.version }),
  );
  app.get(
    "/livez",
    {
      config: { tier },
      schema: { operationId: "getLiveness", tags, summary: "The process answers", response: { 200: liveness } },
    },
    async () => ({ status: "ok" as const }),
  );

  const missing = shareFor(READINESS_SHARE_MS, () => missingOf(checks));
  app.get(
    "/readyz",
    {
      config: { tier },
      schema: {
        operationId: "getReadiness",
        tags,
        summary: "Everything the node needs is there; 503 names what is not",
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const found = await missing();
      return reply
        .code(found.length === 0 ? 200 : 503)
        .send({ status: found.length === 0 ? "ready" : "not ready", missing: found });
    },
  );

  const sandbox = shareFor(INFO_SHARE_MS, async () => (await sandboxLevel(db)) ?? "unknown");
  app.get(
    "/info",
    {
      config: { tier },
      schema: { operationId: "getInfo", tags, summary: "The competition and its node", response: { 200: nodeInfo } },
    },
    async () => ({
      crunch_id: settings.competition,
      crunch_address: settings.address,
      network: settings.network,
      title: competition.competition.title,
      version: settings.version,
      sandbox: await sandbox(),
      temporal_ui: settings.temporalUi,
      namespaces: settings.namespaces,
    }),
  );
  app.get("/openapi.json", { config: { tier }, schema: { hide: true } }, async () => app.swagger());
  if (!metrics) return;
  app.get(
    "/metrics",
    {
      config: { tier: "read" },
      schema: {
        operationId: "getMetrics",
        tags,
        summary: "Figures of this process for Prometheus",
        response: { 200: z.string() },
      },
    },
    async (_request, reply) => {
      const { contentType, body } = await metrics();
      return reply.type(contentType).send(body);
    },
  );
}
