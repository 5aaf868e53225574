import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { filesIn, gzipped, manifestOf, openedGzip, tarOf, verifyDeps } from "../../tests/evidence/archive.ts";
import { bundleFiles } from "../../tests/evidence/fixture.ts";
import { flips } from "../../tests/evidence/flips.ts";
import { canonicalText } from "../canonical.ts";
import { tarHeader } from "../tar.ts";
import { Difference } from "./difference.ts";
import { type Step, type VerifyDeps, verifyBundle } from "./verify.ts";

/** Fields of one name in records of one kind are alike; EVIDENCE_FLIPS=all takes every single one (some minutes). */
const MOST_OF_A_KIND = process.env.EVIDENCE_FLIPS === "all" ? Number.POSITIVE_INFINITY : 1;

const PATIENT = { timeout: process.env.EVIDENCE_FLIPS ? 3_600_000 : 60_000 };

let files: Map<string, string>;
beforeAll(async () => {
  files = await bundleFiles();
});

/** The first difference; null: it passes. */
const differenceOf = async (tar: Uint8Array, deps: Partial<VerifyDeps> = {}): Promise<string | null> => {
  try {
    await verifyBundle(filesIn(tar), verifyDeps(deps));
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(Difference);
    return (error as Difference).message;
  }
};

describe("a good bundle", () => {
  test("is checked step by step to its end, in order", async () => {
    const steps: Step[] = [];
    const verified = await verifyBundle(filesIn(tarOf(files)), verifyDeps({ step: (s) => steps.push(s) }));
    expect(steps.map(({ name, text }) => `${name}: ${text.replace(/[0-9a-f]{64}/, "…")}`)).toEqual([
      "checkpoint: CKP_20260105_000300 of starter-challenge, 2026-01-05T00:00:00.000Z to 2026-01-05T00:03:00.000Z",
      "contracts: 1 with 2 sources",
      "log: entry 5 of a tree of 6, signed by almanac/starter-challenge",
      "scores: 48 of 48 computed again, 12 rounds",
      "snapshots: 17 hold these scores",
      "root: 3 scoring windows lead to …",
      "ranking: 4 models by value",
      "emission: 3 recipients, 1,000,000,000 of 1,000,000,000; …",
      "manifest: 9 files, every byte as listed",
    ]);
    expect(verified.given).toEqual([
      "1 corrected snapshots of earlier periods are shown to be in the log's chain; their scores are in the bundles of those periods",
    ]);
    expect(verified.log).toMatchObject({ index: 5, before: { size: 5 } });
  });

  test("says what it takes as given where it has no copy of the contract", async () => {
    const { given } = await verifyBundle(filesIn(tarOf(files)), verifyDeps({ contract: async () => null }));
    expect(given.slice(0, 2)).toEqual([
      "48 of 48 scores are taken as given",
      "snapshots' values are taken as given: whether they are what their scores add up to was not computed",
    ]);
  });

  test("is found good through gzip, too", async () => {
    await verifyBundle(openedGzip(gzipped(tarOf(files))), verifyDeps());
  });
});

describe("one flipped byte fails", () => {
  test("anywhere in the archive", PATIENT, async () => {
    const tar = tarOf(files);
    const every = Array.from({ length: Math.floor(tar.length / 509) }, (_, i) => i * 509);
    for (const at of every) {
      const flipped = Uint8Array.from(tar);
      flipped[at] = flipped[at]! ^ (1 << (at % 8));
      const difference = await differenceOf(flipped, { contract: undefined });
      if (difference === null && inVersions(tar, at)) continue;
      expect(difference, `byte ${at}`).not.toBeNull();
    }
  });

  test("anywhere in the packed file", PATIENT, async () => {
    const packed = gzipped(tarOf(files));
    await fc.assert(
      fc.asyncProperty(fc.nat(packed.length - 1), async (at) => {
        const flipped = Uint8Array.from(packed);
        flipped[at] = flipped[at]! ^ 0xff;
        await expect(verifyBundle(openedGzip(flipped), verifyDeps({ contract: undefined }))).rejects.toThrow(
          Difference,
        );
      }),
      { numRuns: 60, examples: [[0], [4], [8], [9], [packed.length - 1], [packed.length - 6]] },
    );
  });

  /** Which program wrote a bundle is a note for people; nothing follows from it. */
  const inVersions = (tar: Buffer, at: number): boolean => {
    const from = tar.indexOf('"versions":{"almanac":"');
    return at >= from + 12 && at < tar.indexOf("}", from);
  };
});

describe("one changed field fails although every hash of the manifest was put right", () => {
  test("each field of each record of each file", PATIENT, async () => {
    const passed: string[] = [];
    const kinds = new Map<string, number>();
    for (const [name, text] of files) {
      const lines = name.endsWith(".ndjson");
      const values = name.startsWith("contract/")
        ? [text]
        : lines
          ? text
              .trimEnd()
              .split("\n")
              .map((l) => JSON.parse(l))
          : [JSON.parse(text)];
      for (const [i, value] of values.entries())
        for (const { path, value: other } of flips(value)) {
          const kind = `${name} ${path.replace(/\d+/g, "#")}`;
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
          if (kinds.get(kind)! > MOST_OF_A_KIND) continue;
          const all = values.with(i, other);
          const forged =
            typeof value === "string" ? other : all.map((v) => canonicalText(v)).join("\n") + (lines ? "\n" : "");
          const tampered = new Map([...files, [name, forged as string]]);
          const difference = await differenceOf(tarOf(tampered), { contract: undefined }).catch((error) =>
            expect.fail(`${name} ${path}: ${error}`),
          );
          if (difference === null) passed.push(`${name} ${path}`);
        }
    }
    expect(passed).toEqual([]);
    expect(kinds.size).toBeGreaterThan(150);
  });

  test("each field of the manifest, but for the versions of what wrote it", async () => {
    const passed: string[] = [];
    for (const { path, value } of flips(manifestOf(files)))
      if ((await differenceOf(tarOf(files, value))) === null) passed.push(path);
    expect(passed.filter((path) => !path.startsWith("versions"))).toEqual([]);
  });
});

describe("a node that lies and signs it, every hash right, is found out", () => {
  test.each([
    ["score", /^rounds\.ndjson · line \d+ \(round\/.*\) · scores\[0\]\.score\.value of m0: expected /],
    ["summary", /^snapshots\.ndjson · line \d+ \(SNAP_.*\) · record\.result_summary\.value: expected /],
    ["share", /^checkpoint\.json · ranking\[0\]\.reward_frac64: expected /],
    ["sum", /^checkpoint\.json · ranking\[0\]\.reward_frac64: expected /],
  ] as const)("by its %s", async (lie, says) => {
    expect(await differenceOf(tarOf(await bundleFiles(lie)))).toMatch(says);
  });
});

describe("a hostile archive is refused", () => {
  const withManifest = (change: (files: { name: string }[]) => void): Buffer => {
    const manifest = manifestOf(files) as { files: { name: string }[] };
    change(manifest.files);
    return tarOf(files, manifest);
  };

  test.each([
    ["a name that leads elsewhere", () => withManifest((f) => (f[0]!.name = "../checkpoint.json"))],
    ["an absolute name", () => withManifest((f) => (f[0]!.name = "/etc/passwd"))],
    ["a name twice", () => withManifest((f) => f.push(f[0]!))],
    ["a file that is not there", () => withManifest((f) => f.push({ ...f[0]!, name: "more.json" }))],
    ["a file that is not listed", () => withManifest((f) => f.pop())],
    ["another order", () => withManifest((f) => f.reverse())],
    ["a file that nothing refers to", () => tarOf(new Map([...files, ["zzz.json", "{}"]]))],
    ["a source that no contract names", () => tarOf(inserted("contract/x.ts", "1"))],
    ["its first half", () => tarOf(files).subarray(0, 20_480)],
    ["something behind its end", () => Buffer.concat([tarOf(files), Buffer.alloc(512)])],
    ["nothing", () => Buffer.alloc(0)],
    ["no archive", () => Buffer.alloc(2_048, "x")],
    ["a link", () => Buffer.from(Uint8Array.from(tarOf(files)).fill(0x32, 156, 157))],
    ["JSON that is none", () => tarOf(new Map([...files, ["rounds.ndjson", "{\n"]]))],
    ["a last line that does not end", () => tarOf(new Map([...files, ["cycles.ndjson", "{}"]]))],
    ["bytes that are no text", () => Buffer.from(Uint8Array.from(tarOf(files)).fill(0xff, 512, 513))],
  ])("%s", async (_what, tar) => {
    expect(await differenceOf(tar())).not.toBeNull();
  });

  const inserted = (name: string, text: string): Map<string, string> =>
    new Map(
      [...files].flatMap(([key, value]) =>
        key === "log.json"
          ? [
              [name, text],
              [key, value],
            ]
          : [[key, value]],
      ) as [string, string][],
    );

  test("one that says it is endless is not read", async () => {
    const manifest = manifestOf(files) as { files: { bytes: number }[] };
    const tar = tarOf(files, manifest);
    const header = tarHeader("manifest.json", 8 ** 11 - 1);
    tar.set(header);
    expect(await differenceOf(tar)).toMatch(/expected a smaller/);
  });
});
