import { strictQuery } from "../contract/common.ts";
import { overview } from "../contract/overview.ts";
import type { ApiDeps, App } from "../deps.ts";
import { overviewOf } from "../overview.ts";
import { shareFor } from "../share.ts";

/** Pages ask every second or two; they all get the same answer. */
const SHARE_MS = 500;

export function overviewRoutes(app: App, deps: ApiDeps): void {
  const current = shareFor(SHARE_MS, () => overviewOf(deps));
  app.get(
    "/v1/overview",
    {
      config: { tier: "read", errors: [400] },
      schema: {
        operationId: "getOverview",
        tags: ["overview"],
        summary: "Live numbers of every stage",
        querystring: strictQuery({}),
        response: { 200: overview },
      },
    },
    async () => current(),
  );
}
