import { readTar, type TarFile } from "../tar.ts";
import { Difference } from "./difference.ts";

/** How every bundle begins: gzip without a name or a time, by no particular system. Its checksum does not cover these bytes. */
export const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);

/** The files of a packed bundle, as its bytes come in. */
export async function* openArchive(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<TarFile, void> {
  const checked = bytes.pipeThrough(new TransformStream(headerCheck()));
  yield* readTar(checked.pipeThrough(new DecompressionStream("gzip")) as unknown as AsyncIterable<Uint8Array>);
}

function headerCheck() {
  let at = 0;
  return {
    transform(chunk: Uint8Array<ArrayBuffer>, out: { enqueue(chunk: Uint8Array<ArrayBuffer>): void }): void {
      for (let i = 0; at < GZIP_HEADER.length && i < chunk.length; i++, at++)
        if (chunk[i] !== GZIP_HEADER[at])
          throw new Difference({ file: "the archive", record: `byte ${at}` }, "", GZIP_HEADER[at], chunk[i]);
      out.enqueue(chunk);
    },
  };
}
