import swagger from "@fastify/swagger";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import { z } from "zod";
import { legacyError, problem } from "./contract/common.ts";
import type { App } from "./deps.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** statuses beside 200 that belong to the contract of this route */
    errors?: readonly number[];
  }
}

/** The document at /openapi.json. An operation without an id, or one that is named twice, stops the start. */
export async function registerOpenApi(app: App, version: string): Promise<void> {
  const names = new Set<string>();
  app.addHook("onRoute", (route) => {
    if (route.schema?.hide || route.method === "HEAD") return;
    const name = route.schema?.operationId;
    if (!name || names.has(name))
      throw new Error(`the route ${String(route.method)} ${route.url} needs an operationId of its own`);
    names.add(name);
    const statuses = new Set([...(route.config?.tier === "public" ? [] : [401]), ...(route.config?.errors ?? []), 503]);
    const shape = route.url.startsWith("/v1/") ? problem : legacyError;
    const response = Object.fromEntries(
      [...statuses].map((status) => [status, shape.describe(MEANING[status] ?? "error")]),
    );
    route.schema = { ...route.schema, response: { ...response, ...(route.schema?.response ?? { 200: z.string() }) } };
  });
  await app.register(swagger, {
    transform: jsonSchemaTransform,
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Almanac",
        description: "Report API of a coordinator node for prediction competitions.",
        version,
        license: { name: "Apache-2.0" },
      },
      components: {
        securitySchemes: {
          key: { type: "apiKey", in: "header", name: "X-API-Key" },
          bearer: { type: "http", scheme: "bearer" },
        },
      },
    },
  });
}

const MEANING: Record<number, string> = {
  400: "a parameter cannot be used",
  401: "the API key is missing or wrong",
  403: "not signed by an approver",
  404: "there is none",
  409: "not possible in the present state",
  412: "it is another version by now: look at it again",
  422: "a parameter cannot be used",
  428: "If-Match with the version that was looked at is missing",
  503: "something that the answer needs is away",
};
