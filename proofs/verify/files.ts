import { toHex } from "../hash.ts";
import type { TarFile } from "../tar.ts";
import { Difference } from "./difference.ts";
import { aCount, aHash, aList, aText, exactly, same } from "./shape.ts";

/** SHA-256 in pieces. */
export interface RunningHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export const FORMAT = "almanac-evidence/1";

/** What a hostile bundle may cost whoever looks at it. */
const LIMITS = {
  /** bytes of a file that is held as a whole */
  wholeFile: 64 << 20,
  /** bytes of one line */
  line: 64 << 20,
  /** bytes of everything */
  total: 16 * 2 ** 30,
  files: 2_000,
};

interface Listed {
  sha256: string;
  bytes: number;
}

export interface Manifest {
  checkpoint: string;
  crunch: string;
  files: ReadonlyMap<string, Listed>;
}

const NAME = /^[a-z0-9][\w.-]*(\/[\w.-]+)?$/i;

/**
 * The files of a bundle in the order of its manifest, which comes first. Each is checked against its hash and size when its last byte was
 * read; names that lead elsewhere, double names, and files that are not listed or missing are refused.
 */
export class BundleFiles {
  readonly #files: AsyncIterator<TarFile>;
  readonly #startHash: () => RunningHash;
  #left: [string, Listed][] = [];
  #total = 0;

  constructor(files: AsyncIterable<TarFile>, startHash: () => RunningHash) {
    this.#files = files[Symbol.asyncIterator]();
    this.#startHash = startHash;
  }

  async manifest(): Promise<Manifest> {
    const file = await this.#file("manifest.json");
    const text = await this.#whole(file, file.body);
    const manifest = parseManifest(parse(file.name, text));
    this.#left = [...manifest.files];
    return manifest;
  }

  /** name of the next file; null: there is none */
  next(): string | null {
    return this.#left[0]?.[0] ?? null;
  }

  /** A JSON file as a whole. */
  async json(name: string): Promise<unknown> {
    return parse(name, await this.text(name));
  }

  async text(name: string): Promise<string> {
    const file = await this.#file(name);
    return this.#whole(file, this.#checked(file));
  }

  /** The values of a file of JSON lines, each with its number. */
  async *lines(name: string): AsyncGenerator<{ value: unknown; line: number }, void> {
    const file = await this.#file(name);
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let open = "";
    let line = 0;
    for await (const bytes of this.#checked(file)) {
      const pieces = (open + decode(name, decoder, bytes, true)).split("\n");
      open = pieces.pop()!;
      if (open.length > LIMITS.line)
        throw new Difference({ file: name, record: `line ${line + 1}` }, "", "a shorter line", open.length);
      for (const text of pieces) yield { value: parse(name, text, ++line), line };
    }
    if (open !== "" || decode(name, decoder, new Uint8Array(), false) !== "")
      throw new Difference({ file: name, record: `line ${line + 1}` }, "", "a line that ends", open);
  }

  /** Nothing may follow. */
  async end(): Promise<void> {
    const left = this.next();
    if (left !== null)
      throw new Difference({ file: left, record: "" }, "", "no such file", "one that nothing refers to");
    const { done, value } = await this.#files.next();
    if (!done)
      throw new Difference({ file: (value as TarFile).name, record: "" }, "", "the end of the bundle", "another file");
  }

  async #file(name: string): Promise<TarFile> {
    const { done, value } = await this.#files.next();
    if (done) throw new Difference({ file: name, record: "" }, "", "a file", "the end of the bundle");
    same({ file: value.name, record: "" }, "name", name, value.name);
    this.#total += value.bytes;
    if (this.#total > LIMITS.total)
      throw new Difference({ file: name, record: "" }, "", "a smaller bundle", this.#total);
    return value;
  }

  async #whole({ name, bytes }: TarFile, body: AsyncIterable<Uint8Array>): Promise<string> {
    if (bytes > LIMITS.wholeFile) throw new Difference({ file: name, record: "" }, "", "a smaller file", bytes);
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text = "";
    for await (const piece of body) text += decode(name, decoder, piece, true);
    return text + decode(name, decoder, new Uint8Array(), false);
  }

  async *#checked({ name, bytes, body }: TarFile): AsyncGenerator<Uint8Array, void> {
    const [expected, listed] = this.#left.shift() ?? [];
    if (!listed || expected !== name)
      throw new Difference({ file: name, record: "" }, "", "a file of the manifest", name);
    const place = { file: name, record: "" };
    same(place, "bytes", listed.bytes, bytes);
    const hash = this.#startHash();
    for await (const piece of body) {
      hash.update(piece);
      yield piece;
    }
    same(place, "sha256", listed.sha256, toHex(hash.digest()));
  }
}

function parseManifest(value: unknown): Manifest {
  const place = { file: "manifest.json", record: "" };
  const manifest = exactly(place, "", value, ["format", "checkpoint", "crunch", "files", "versions"]);
  same(place, "format", FORMAT, manifest.format);
  const files = new Map<string, Listed>();
  for (const [i, each] of aList(place, "files", manifest.files).entries()) {
    const file = exactly(place, `files[${i}]`, each, ["name", "sha256", "bytes"]);
    const name = aText(place, `files[${i}].name`, file.name);
    if (!NAME.test(name) || name.includes(".."))
      throw new Difference(place, `files[${i}].name`, "the name of a file inside", name);
    if (files.has(name)) throw new Difference(place, `files[${i}].name`, "every file once", name);
    files.set(name, {
      sha256: aHash(place, `files[${i}].sha256`, file.sha256),
      bytes: aCount(place, `files[${i}].bytes`, file.bytes),
    });
  }
  if (files.size > LIMITS.files) throw new Difference(place, "files", `at most ${LIMITS.files} files`, files.size);
  return {
    checkpoint: aText(place, "checkpoint", manifest.checkpoint),
    crunch: aText(place, "crunch", manifest.crunch),
    files,
  };
}

function decode(file: string, decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, stream: boolean): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    throw new Difference({ file, record: "" }, "", "UTF-8", "other bytes");
  }
}

function parse(file: string, text: string, line?: number): unknown {
  const record = line === undefined ? "" : `line ${line}`;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Difference({ file, record }, "", "JSON", String(error));
  }
}
