import { readFile } from "node:fs/promises";
import { join } from "node:path";
import files from "@fastify/static";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { dayFile, dayFilePlace } from "../contract/backfill.ts";
import type { ApiDeps, App } from "../deps.ts";
import { ApiError, notFound } from "../problem.ts";

const tags = ["backfill"];
const PARQUET = "application/vnd.apache.parquet";

/** The parquet day files that backfill jobs wrote, for participants' backtests. Answers have an ETag and take ranges. */
export function dayFileRoutes(app: App, { settings: { backfillRoot } }: ApiDeps): void {
  app.get(
    "/data/backfill/index",
    {
      config: { tier: "read" },
      schema: {
        operationId: "listDayFiles",
        tags,
        summary: "Every day file, by path",
        response: { 200: z.array(dayFile) },
      },
    },
    () => indexOf(backfillRoot),
  );
  // A scope of its own: the page has its own folder under the same decoration.
  void app.register(async (scope) => {
    if (backfillRoot) await scope.register(files, { root: backfillRoot, serve: false, suppressWarning: true });
    scope.withTypeProvider<ZodTypeProvider>().get(
      "/data/backfill/:source/:subject/:kind/:granularity/:file",
      {
        config: { tier: "read", errors: [404, 422] },
        schema: {
          operationId: "getDayFile",
          tags,
          summary: "One day of one stream as parquet",
          params: dayFilePlace,
          response: { 200: z.string().meta({ format: "binary" }) },
        },
      },
      async ({ params }, reply) => {
        const { source, subject, kind, granularity, file } = params;
        const path = [source, subject, kind, granularity, file].join("/");
        if (!backfillRoot) throw notFound(`no file ${path}`);
        return reply.type(PARQUET).sendFile(path, { contentType: false, maxAge: 0 });
      },
    );
  });
}

async function indexOf(root: string | undefined): Promise<z.infer<typeof dayFile>[]> {
  if (!root) return [];
  const text = await readFile(join(root, "index.json"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "[]"; // no file was ever written
    throw error;
  });
  const parsed = z.array(dayFile).safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new ApiError(503, "index-broken", "index.json cannot be read; the next day file makes it anew");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
