import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unpackZip } from "./archive.ts";
import { createSubmissionFiles, safePath, UploadError } from "./submission-files.ts";

interface Member {
  name: string;
  data?: Buffer;
  /** Unix mode, type bits included; 0: made on a system without them */
  mode?: number;
  flags?: number;
  /** sizes and checksum that the archive claims */
  claim?: { size?: number; crc?: number };
  store?: boolean;
}

/** Bytes of a zip file, as bad as wanted. */
function zipOf(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data = Buffer.from("x = 1\n"), mode = 0o100644, flags = 0x800, claim = {}, store } of members) {
    const nameBytes = Buffer.from(name);
    const packed = store ? data : deflateRawSync(data);
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(flags, 2);
    head.writeUInt16LE(store ? 0 : 8, 4);
    head.writeUInt32LE(claim.crc ?? crc32(data), 10);
    head.writeUInt32LE(packed.length, 14);
    head.writeUInt32LE(claim.size ?? data.length, 18);
    head.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), head, nameBytes, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 3]), head, tail, nameBytes]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from("PK\x05\x06"), end]);
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "almanac-zip-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function unpack(bytes: Buffer) {
  const path = join(folder, "upload.zip");
  writeFileSync(path, bytes);
  const into = createSubmissionFiles(join(folder, "inside"));
  await unpackZip(path, bytes.length, into);
  return into;
}

describe("a good archive", () => {
  test("is unpacked with its folders; what nobody means to submit is left out", async () => {
    const files = await unpack(
      zipOf([
        { name: "model/", mode: 0o040755, data: Buffer.alloc(0), store: true },
        { name: "model/main.py", data: Buffer.from("class A: pass\n") },
        { name: "model/data/weights.bin", data: randomBytes(3_000_000), mode: 0 },
        { name: "model/__pycache__/main.cpython-311.pyc" },
        { name: "model/ünïcode.txt", store: true },
      ]),
    );
    expect([...files.sizes]).toEqual([
      ["model/main.py", 14],
      ["model/data/weights.bin", 3_000_000],
      ["model/ünïcode.txt", 6],
    ]);
    expect(readFileSync(join(folder, "inside/model/main.py"), "utf8")).toBe("class A: pass\n");
  });

  test("has one hash, whatever the order of its files", async () => {
    const [a, b] = [{ name: "a.py" }, { name: "b.py", data: Buffer.from("y") }];
    const first = (await unpack(zipOf([a, b]))).hash();
    rmSync(join(folder, "inside"), { recursive: true });
    expect((await unpack(zipOf([b, a]))).hash()).toBe(first);
    rmSync(join(folder, "inside"), { recursive: true });
    expect((await unpack(zipOf([{ ...a, data: Buffer.from("y") }, b]))).hash()).not.toBe(first);
  });
});

const MANY = Array.from({ length: 2_001 }, (_, i) => ({ name: `f${i}.py` }));
const ZEROS = Buffer.alloc(20 << 20);
const BAD: [why: string, bytes: () => Buffer, message: RegExp][] = [
  ["a way up", () => zipOf([{ name: "../evil.py" }]), /invalid relative path|leaves its folder/],
  ["a way up inside", () => zipOf([{ name: "a/../../evil.py" }]), /invalid relative path|leaves its folder/],
  ["an absolute name", () => zipOf([{ name: "/etc/evil.py" }]), /absolute/],
  ["a drive", () => zipOf([{ name: "C:evil.py" }]), /absolute/],
  ["a backslash", () => zipOf([{ name: "..\\evil.py" }]), /invalid characters|backslash/],
  [
    "a symbolic link",
    () => zipOf([{ name: "a", mode: 0o120777, data: Buffer.from("/etc/passwd") }]),
    /link or a device/,
  ],
  ["a device", () => zipOf([{ name: "a", mode: 0o020666 }]), /link or a device/],
  ["a pipe", () => zipOf([{ name: "a", mode: 0o010666 }]), /link or a device/],
  ["a folder that is a link", () => zipOf([{ name: "a/", mode: 0o120777 }]), /link or a device/],
  ["a long name", () => zipOf([{ name: `${"n".repeat(256)}.py` }]), /longer than 255 bytes/],
  ["a long name in bytes", () => zipOf([{ name: `${"é".repeat(130)}.py` }]), /longer than 255 bytes/],
  ["deep folders", () => zipOf([{ name: `${"d/".repeat(40)}a.py` }]), /more than 32 folders deep/],
  ["the same name twice", () => zipOf([{ name: "a.py" }, { name: "a.py" }]), /Two files are named/],
  ["the same name in capitals", () => zipOf([{ name: "a.py" }, { name: "A.PY" }]), /Two files are named/],
  ["the same name composed otherwise", () => zipOf([{ name: "\u00e9.py" }, { name: "e\u0301.py" }]), /Two files/],
  ["a file that is a folder", () => zipOf([{ name: "a" }, { name: "a/b.py" }]), /a file and a folder/],
  ["a folder that is a file", () => zipOf([{ name: "a/b.py" }, { name: "a" }]), /Two files are named|folder/],
  ["too many files", () => zipOf(MANY), /at most 2000 files/],
  ["a bomb", () => zipOf([{ name: "a.bin", data: ZEROS }]), /100 times its size/],
  [
    "a bomb of small parts",
    () => zipOf(MANY.slice(0, 100).map((m) => ({ ...m, data: ZEROS.subarray(0, 900_000) }))),
    /100 times its size/,
  ],
  [
    "a claimed size that is too small",
    () => zipOf([{ name: "a.bin", data: ZEROS, claim: { size: 10 } }]),
    /cannot be read: .*bytes/,
  ],
  [
    "more than fits",
    () => zipOf([{ name: "a.bin", data: Buffer.alloc((200 << 20) + 1), store: true }]),
    /at most 200 MiB/,
  ],
  ["encryption", () => zipOf([{ name: "a.py", flags: 0x801 }]), /encrypted/],
  ["a control character", () => zipOf([{ name: "a\n.py" }]), /control or invisible/],
  ["a NUL", () => zipOf([{ name: "a\0.py" }]), /control or invisible/],
  ["a right-to-left override", () => zipOf([{ name: "a\u202eyp.exe" }]), /control or invisible/],
  ["a damaged file", () => zipOf([{ name: "a.py", claim: { crc: 1 } }]), /checksum differs/],
  ["no zip at all", () => Buffer.from("not a zip file at all, only text"), /cannot be read/],
  ["half of a zip", () => zipOf([{ name: "a.py" }, { name: "b.py" }]).subarray(0, 60), /cannot be read/],
];
describe("a bad archive is refused and leaves nothing outside its folder", () => {
  test.each(BAD)(
    "%s",
    async (_why, bytes, message) => {
      const refused = unpack(bytes());
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.toBeInstanceOf(UploadError);
      expect(readdirSync(folder).filter((name) => name !== "inside")).toEqual(["upload.zip"]);
    },
    60_000,
  );

  test("whatever bytes come", async () => {
    const good = zipOf([{ name: "a.py" }, { name: "b/c.py", data: Buffer.alloc(500, "py") }]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        async (changes) => {
          rmSync(join(folder, "inside"), { recursive: true, force: true });
          const bytes = Buffer.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          await unpack(bytes).catch((error) => expect(error).toBeInstanceOf(UploadError));
          expect(readdirSync(folder).sort()).toEqual(expect.arrayContaining(["upload.zip"]));
          expect(readdirSync(folder).length).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("names", () => {
  test.each(["main.py", "a/b/c.py", "..a.py", "a..b", "Model-1.2 (final).ipynb"])("%s stands", (name) => {
    expect(safePath(name)).toBe(name);
  });
  test("a safe path never leaves its folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (name) => {
        try {
          const path = join("/base", safePath(name));
          expect(path.startsWith("/base/") && path.length > 6).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(UploadError);
        }
      }),
    );
  });
});
