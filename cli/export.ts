import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { readConfig } from "../config.ts";
import { bundleName } from "../domain/ids.ts";
import { downloaded } from "./bundle-source.ts";
import { askNode } from "./report-api.ts";

const named = z.object({ id: z.string().regex(/^[\w-]{1,100}$/) });

/** `almanac export checkpoint <id|latest>`: the file is there when it is whole, and not before. */
export async function exportCheckpointCommand(id: string, flags: { output?: string; node?: string }): Promise<void> {
  const node = flags.node ?? `http://127.0.0.1:${readConfig().REPORT_API_PORT}`;
  const found = await askNode({ to: node, path: `/v1/checkpoints/${encodeURIComponent(id)}` }, named);
  const path = flags.output ?? bundleName(found.id);
  const part = `${path}.part`;
  const bytes = await downloaded(node, found.id);
  await pipeline(Readable.fromWeb(bytes as never), createWriteStream(part)).catch(async (error: unknown) => {
    await rm(part, { force: true });
    throw error;
  });
  await rename(part, path);
  process.stdout.write(`${path}\n`);
}
