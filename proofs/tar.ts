// The ustar form of POSIX.1-1988, as far as plain files need it. Written and read here because the reader has to run in a browser, too.
const BLOCK = 512;
const NAME_BYTES = 100;
const SIZE_DIGITS = 11;
const CHECKSUM = { at: 148, bytes: 8 };
const PLAIN_FILE = "0";

/** An archive that is none, or that holds what no plain file is. */
export class TarError extends Error {
  override name = "TarError";
}

/** The header of a plain file; the same name and size give the same bytes. Throws TarError where the name does not fit. */
export function tarHeader(name: string, bytes: number): Uint8Array<ArrayBuffer> {
  if (encode(name).length > NAME_BYTES) throw new TarError(`${name}: a name has at most ${NAME_BYTES} bytes`);
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes >= 8 ** SIZE_DIGITS)
    throw new TarError(`${name}: ${bytes} bytes`);
  const header = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => header.set(encode(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(bytes, SIZE_DIGITS)}\0`);
  put(136, `${octal(0, SIZE_DIGITS)}\0`);
  put(CHECKSUM.at, " ".repeat(CHECKSUM.bytes));
  put(156, PLAIN_FILE);
  put(257, "ustar\x0000");
  put(CHECKSUM.at, `${octal(sumOf(header), 6)}\0 `);
  return header;
}

/** What fills a file up to whole blocks. */
export const tarPadding = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array((BLOCK - (bytes % BLOCK)) % BLOCK);
/** What ends an archive. */
export const tarEnd = (): Uint8Array<ArrayBuffer> => new Uint8Array(2 * BLOCK);

export interface TarFile {
  name: string;
  bytes: number;
  /** must be read to its end before the next file is asked for */
  body: AsyncIterable<Uint8Array>;
}

/**
 * The files of an archive, one after another, as they come in. Anything but plain files is refused, and so is what follows the end of the archive,
 * because nobody would look at it. Throws TarError.
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile, void> {
  const input = new Input(chunks[Symbol.asyncIterator]());
  for (;;) {
    const header = await input.block();
    if (header === null) throw new TarError("the archive breaks off: its end is missing");
    if (header.every((byte) => byte === 0)) break;
    const { name, bytes } = parseHeader(header);
    let read = false;
    const body = async function* () {
      yield* input.take(bytes, name);
      const padding = await input.exactly(tarPadding(bytes).length);
      if (padding === null || padding.some((byte) => byte !== 0)) throw new TarError(`${name}: not padded with zeros`);
      read = true;
    };
    yield { name, bytes, body: body() };
    if (!read) throw new TarError(`${name}: was not read to its end`);
  }
  const last = await input.block();
  if (last === null || last.some((byte) => byte !== 0))
    throw new TarError("the archive does not end with two blocks of zeros");
  if ((await input.exactly(1)) !== null) throw new TarError("something follows the end of the archive");
}

function parseHeader(header: Uint8Array): { name: string; bytes: number } {
  const field = (at: number, length: number): string => {
    const bytes = header.subarray(at, at + length);
    const end = bytes.indexOf(0);
    return new TextDecoder("utf-8", { fatal: true }).decode(end < 0 ? bytes : bytes.subarray(0, end));
  };
  const name = field(0, NAME_BYTES);
  const size = field(124, SIZE_DIGITS + 1);
  const bytes = Number.parseInt(size, 8);
  if (!/^[0-7]{11}$/.test(size) || name === "") throw new TarError("a header cannot be read");
  // One way to write a header, so that no byte of it can change unseen.
  const expected = tarHeader(name, bytes);
  if (!expected.every((byte, i) => byte === header[i])) throw new TarError(`${name}: a header that is not written so`);
  return { name, bytes };
}

/** Bytes in the sizes that the reader asks for. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  block(): Promise<Uint8Array | null> {
    return this.exactly(BLOCK);
  }

  /** null: the input has ended before */
  async exactly(bytes: number): Promise<Uint8Array | null> {
    const out = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      const piece = await this.#next(bytes - at);
      if (piece === null) return null;
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  async *take(bytes: number, name: string): AsyncGenerator<Uint8Array, void> {
    for (let left = bytes; left > 0; ) {
      const piece = await this.#next(left);
      if (piece === null) throw new TarError(`${name}: the archive breaks off within it`);
      left -= piece.length;
      yield piece;
    }
  }

  async #next(most: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return null;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const octal = (n: number, digits: number): string => n.toString(8).padStart(digits, "0");
const sumOf = (header: Uint8Array): number => header.reduce((sum, byte) => sum + byte, 0);
