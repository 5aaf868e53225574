import { Transform } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { quoted, type SubmissionFiles, safePath, UploadError } from "./submission-files.ts";

/** More than this an honest archive of sources does not shrink. */
const MAX_RATIO = 100;
/** A single small file may: a page of one character does. */
const RATIO_FROM_BYTES = 1 << 20;
const MAX_ENTRIES = 10_000;
const [FILE_KIND, REGULAR, FOLDER] = [0o170_000, 0o100_000, 0o040_000];

/**
 * Unpacks a zip file, one entry after another; nothing of it is believed that was not seen in the bytes.
 * @throws UploadError for whatever a submission may not hold; the folder is then to be thrown away
 */
export async function unpackZip(path: string, archiveBytes: number, into: SubmissionFiles): Promise<void> {
  const zip = await openZip(path);
  try {
    if (zip.entryCount > MAX_ENTRIES) throw new UploadError(`The archive has more than ${MAX_ENTRIES} entries.`);
    let unpacked = 0;
    for await (const entry of zip.eachEntry()) {
      const name = checkEntry(entry);
      if (name === null) continue;
      const grow = (bytes: number) => {
        unpacked += bytes;
        if (unpacked > RATIO_FROM_BYTES && unpacked > MAX_RATIO * archiveBytes) throw tooDense(name);
      };
      await into.add(name, () => zip.openReadStreamPromise(entry), checksum(entry, grow));
    }
  } catch (error) {
    if (error instanceof UploadError) throw error;
    throw new UploadError(`The archive cannot be read: ${(error as Error).message}`);
  } finally {
    zip.close();
  }
}

async function openZip(path: string): Promise<ZipFile> {
  try {
    return await openPromise(path, { strictFileNames: true });
  } catch (error) {
    throw new UploadError(`The archive cannot be read: ${(error as Error).message}`);
  }
}

/** The path of a file to unpack; null: a folder. */
function checkEntry(entry: Entry): string | null {
  const kind = (entry.externalFileAttributes >>> 16) & FILE_KIND;
  const isFolder = entry.fileName.endsWith("/");
  const name = safePath(isFolder ? entry.fileName.slice(0, -1) : entry.fileName);
  // A kind of 0 comes from systems without Unix attributes.
  if (kind !== 0 && kind !== (isFolder ? FOLDER : REGULAR))
    throw new UploadError(`${quoted(name)} is a link or a device: only files and folders can be submitted.`);
  if (entry.isEncrypted()) throw new UploadError(`${quoted(name)} is encrypted: submit a plain archive.`);
  if (isFolder) return null;
  if (entry.uncompressedSize > RATIO_FROM_BYTES && entry.uncompressedSize > MAX_RATIO * entry.compressedSize)
    throw tooDense(name);
  return name;
}

const tooDense = (name: string) =>
  new UploadError(`${quoted(name)} grows to more than ${MAX_RATIO} times its size: that is no archive of sources.`);

/** Counts what comes out and compares its checksum at the end: yauzl compares sizes only. */
function checksum(entry: Entry, grow: (bytes: number) => void): Transform {
  let sum = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        grow(chunk.length);
        sum = crc32(chunk, sum);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
    flush(done) {
      done(sum === entry.crc32 ? null : new UploadError(`${quoted(entry.fileName)} is damaged: its checksum differs.`));
    },
  });
}
