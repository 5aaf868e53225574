import { existsSync } from "node:fs";
import { join } from "node:path";
import files from "@fastify/static";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { checkpointById, latestCheckpoint } from "../../db/checkpoints.ts";
import { bundleName } from "../../domain/ids.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";

const YEAR_MS = 31_536_000_000;
const GZIP = "application/gzip";

/** Evidence bundles, as the checkpoint role wrote them. Answers have an ETag and take ranges; a bundle never changes. */
export function bundleRoutes(app: App, { db, settings: { evidenceRoot } }: ApiDeps): void {
  // A scope of its own: page and day files have their own folders under the same decoration.
  void app.register(async (scope) => {
    if (evidenceRoot) await scope.register(files, { root: evidenceRoot, serve: false, suppressWarning: true });
    scope.withTypeProvider<ZodTypeProvider>().get(
      "/v1/checkpoints/:id/bundle",
      {
        config: { tier: "public", errors: [404] },
        schema: {
          operationId: "getCheckpointBundle",
          tags: ["checkpoints"],
          summary: "The evidence of a checkpoint as one .tar.gz, for `almanac verify`; `latest` stands for the newest",
          params: checkpointId,
          response: { 200: z.string().meta({ format: "binary" }) },
        },
      },
      async ({ params }, reply) => {
        const isLatest = params.id === "latest";
        const row = isLatest ? await latestCheckpoint(db) : await checkpointById(db, params.id);
        if (!row) throw notFound(isLatest ? "no checkpoint yet" : `no checkpoint ${params.id}`);
        const name = bundleName(row.id);
        if (!evidenceRoot || !existsSync(join(evidenceRoot, name)))
          throw notFound(`the evidence of ${row.id} is not written yet, or is not on this machine`);
        reply.header("content-disposition", `attachment; filename="${name}"`);
        return reply
          .type(GZIP)
          .sendFile(name, { contentType: false, immutable: !isLatest, maxAge: isLatest ? 0 : YEAR_MS });
      },
    );
  });
}
