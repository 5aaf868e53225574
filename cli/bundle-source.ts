import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { EXIT, ExitError } from "./exit.ts";

const ANSWER_WITHIN_MS = 30_000;
type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

export const isUrl = (target: string): boolean => /^https?:\/\//i.test(target) && URL.canParse(target);

/** The bytes of a bundle: of a file, or as a node gives them. Throws ExitError. */
export const openBundle = (target: string, checkpoint: string): Promise<Bytes> =>
  isUrl(target) ? downloaded(target, checkpoint) : opened(target);

async function opened(path: string): Promise<Bytes> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile())
    throw new ExitError(
      EXIT.notFound,
      `${path} is no file; give a bundle, or a node's address such as https://node.example`,
    );
  return Readable.toWeb(createReadStream(path, { highWaterMark: 1 << 18 })) as Bytes;
}

/** GET /v1/checkpoints/{id}/bundle of a node. */
export async function downloaded(node: string, checkpoint: string): Promise<Bytes> {
  const url = new URL(`/v1/checkpoints/${encodeURIComponent(checkpoint)}/bundle`, node);
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(new Error("no answer in time")), ANSWER_WITHIN_MS);
  const answer = await fetch(url, { redirect: "error", signal: given.signal }).catch((error: unknown) => {
    const cause = (error as { cause?: Error }).cause?.message ?? String(error);
    throw new ExitError(EXIT.unreachable, `No node answers at ${node} (${cause}).`);
  });
  clearTimeout(timer);
  if (answer.ok && answer.body) return answer.body as Bytes;
  const said = await answer.text().catch(() => "");
  const exitCode = answer.status === 404 ? EXIT.notFound : EXIT.unreachable;
  throw new ExitError(
    exitCode,
    `${node} answers ${answer.status} for the bundle of ${checkpoint}: ${said.slice(0, 300)}`,
  );
}
