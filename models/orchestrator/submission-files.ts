import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PassThrough, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

const MAX_FILES = 2_000;
const MAX_BYTES = 200 << 20;
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 1_000;
const MAX_DEPTH = 32;
/** What people do not mean to submit: left out without a word. */
const LEFT_OUT = new Set(["__pycache__", ".git", ".venv", "venv", "node_modules", "__MACOSX", ".DS_Store"]);

/** An upload that is refused: `field` is the part of the request, the message is for whoever sent it. */
export class UploadError extends Error {
  override name = "UploadError";
  readonly field: string;
  constructor(message: string, field = "files") {
    super(message);
    this.field = field;
  }
}

/** Whether a file of this path would not be taken along. */
export const isLeftOut = (path: string): boolean => path.split("/").some((part) => LEFT_OUT.has(part));

/** Text that may stand in an answer or a log line. */
export const quoted = (name: string): string => JSON.stringify(name.slice(0, 100));

/**
 * The path of a submitted file, with its parts checked one by one.
 * @throws UploadError for a name that could leave the folder, hide, or mean another file elsewhere
 */
export function safePath(name: string): string {
  const refuse = (why: string): never => {
    throw new UploadError(`The file name ${quoted(name)} ${why}.`);
  };
  if (name === "") refuse("is empty");
  if (name.includes("\\")) refuse("has a backslash: folders are separated by /");
  if (/^(\/|[A-Za-z]:)/.test(name)) refuse("is absolute: names are relative to the submission");
  if (/\p{C}/u.test(name)) refuse("has control or invisible characters");
  if (Buffer.byteLength(name) > MAX_PATH_BYTES) refuse(`is longer than ${MAX_PATH_BYTES} bytes`);
  const parts = name.split("/");
  if (parts.length > MAX_DEPTH) refuse(`is more than ${MAX_DEPTH} folders deep`);
  for (const part of parts) {
    if (part === ".." || part === "." || part === "") refuse("leaves its folder or has an empty part");
    if (Buffer.byteLength(part) > MAX_NAME_BYTES) refuse(`has a part longer than ${MAX_NAME_BYTES} bytes`);
  }
  return name;
}

/** What a path is on file systems that take a and A, or two spellings of é, for one name. */
const foldedName = (path: string): string => path.normalize("NFKC").toLowerCase();

/** Fills a folder with files from outside, one after another, within the limits of a submission. */
export interface SubmissionFiles {
  /**
   * Writes one file, opened only when its name is taken; `check` sees the bytes on their way. False: left out, not opened.
   * @throws UploadError when its name, its size, or the sum is refused
   */
  add(name: string, open: () => Promise<Readable>, check?: Transform): Promise<boolean>;
  /** what was written so far: path → bytes */
  readonly sizes: ReadonlyMap<string, number>;
  /** of names (without `top`, which all begin with) and contents, whatever order they came in */
  hash(top?: string): string;
}

export function createSubmissionFiles(folder: string): SubmissionFiles {
  const sizes = new Map<string, number>();
  const hashes = new Map<string, string>();
  const taken = new Map<string, "file" | "folder">();
  let total = 0;

  /** A name is a file once, or a folder; never both, and never again in another spelling. */
  function claim(path: string): void {
    if (sizes.size >= MAX_FILES) throw new UploadError(`A submission has at most ${MAX_FILES} files.`);
    const folded = foldedName(path);
    if (taken.has(folded))
      throw new UploadError(
        `Two files are named ${quoted(path)} (capitals do not tell names apart), or it is a folder.`,
      );
    for (let at = folded.indexOf("/"); at >= 0; at = folded.indexOf("/", at + 1)) {
      const above = folded.slice(0, at);
      if (taken.get(above) === "file") throw new UploadError(`${quoted(above)} is a file and a folder.`);
      taken.set(above, "folder");
    }
    taken.set(folded, "file");
  }

  return {
    sizes,
    async add(name, open, check = new PassThrough()) {
      const path = safePath(name);
      if (isLeftOut(path)) return false;
      claim(path);
      const hash = createHash("sha256");
      let size = 0;
      const count = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          size += chunk.length;
          total += chunk.length;
          if (total > MAX_BYTES) return done(new UploadError(`A submission has at most ${MAX_BYTES >> 20} MiB.`));
          hash.update(chunk);
          done(null, chunk);
        },
      });
      const target = join(folder, path);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      // "wx": nothing that stands there is ever written through
      await pipeline(await open(), check, count, createWriteStream(target, { flags: "wx", mode: 0o600, flush: true }));
      sizes.set(path, size);
      hashes.set(path, hash.digest("hex"));
      return true;
    },
    hash(top = "") {
      const names = [...hashes].map(([path, hash]) => [path.slice(top.length), hash] as const);
      const all = names.sort(([a], [b]) => (a < b ? -1 : 1));
      return createHash("sha256").update(JSON.stringify(all)).digest("hex");
    },
  };
}
