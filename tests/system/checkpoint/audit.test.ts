import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CheckpointMeta } from "../../../activities/seal.ts";
import type { Competition } from "../../../competitions/competition.ts";
import { checkpointById } from "../../../db/checkpoints.ts";
import { bundleName } from "../../../domain/ids.ts";
import { canonicalText } from "../../../proofs/canonical.ts";
import { verifyBundle } from "../../../proofs/verify/verify.ts";
import { filesIn, gzipped, tarOf, verifyDeps } from "../../evidence/archive.ts";
import { bundleFiles } from "../../evidence/fixture.ts";
import { flips } from "../../evidence/flips.ts";
import { evidenceNode } from "../../evidence/node.ts";
import { evidenceWorld, seedRounds } from "../../evidence/world.ts";

/** Of the kinds of fields; EVIDENCE_FLIPS=all takes every one. Python's Ed25519 takes a tenth of a second each. */
const EACH = process.env.EVIDENCE_FLIPS === "all" ? 1 : 6;
const AUDIT = resolve(import.meta.dirname, "../../../docs/audit");
/** Runs the verifier over many bundles in one interpreter: a line each, 0 or what it ends with. */
const DRIVER = `
import contextlib, io, sys
sys.path.insert(0, sys.argv[1])
import verify
for path in sys.stdin.read().split():
    code = 0
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            verify.main(path)
        except SystemExit as end:
            code = end.code
        except Exception as error:
            code = type(error).__name__
    print(path, code)
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "almanac-audit-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const python = (input: string): Promise<string> =>
  new Promise((done, fail) => {
    const child = execFile(process.env.PYTHON ?? "python3", ["-c", DRIVER, AUDIT], (error, stdout) =>
      error ? fail(error) : done(stdout),
    );
    child.stdin!.end(input);
  });

test("Python's verifier and ours agree on a good bundle and on one change of every field", async () => {
  const files = await bundleFiles();
  const cases = [["good", files] as const, ...tampered(files).filter((_, i) => i % EACH === 0)];
  const ours: boolean[] = [];
  for (const [i, [, each]] of cases.entries()) {
    await writeFile(join(folder, `${i}.tar.gz`), gzipped(tarOf(each)));
    ours.push(await passes(each));
  }
  const said = await python(cases.map((_, i) => join(folder, `${i}.tar.gz`)).join("\n"));
  const theirs = said
    .trim()
    .split("\n")
    .map((line) => line.endsWith(" 0"));
  expect(cases.filter((_, i) => ours[i] !== theirs[i]).map(([what]) => what)).toEqual([]);
  expect([theirs[0], theirs.filter(Boolean).length]).toEqual([true, 1]);
  expect(cases.length).toBeGreaterThan(150 / EACH);
});

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 5);
const node = evidenceNode();
/** Of consecutive periods of three minutes; the metrics are those that a contribution is made of. */
const RULES: [string, Partial<Competition>][] = [
  ["tiers of one's own", { emission: { strategy: "tier", tiers: [50, 20, 12.5] } }],
  ["contribution", { emission: { strategy: "contribution_weighted" } }],
  [
    "contribution by other weights, without a floor",
    {
      emission: {
        strategy: "contribution_weighted",
        weights: { rank: 0.1, contribution: 0.65, diversity: 0.25 },
        minPercent: 0,
      },
    },
  ],
  [
    "the contract's own",
    { buildEmission: (ranking) => Object.fromEntries(ranking.map((m, i) => [m.modelId, 7 * i + 1])) },
  ],
];

test("both compute the shares of every emission rule from a sealed period's snapshots", async () => {
  const fromMs = START_MS - 20_000; // resolved 20 s later
  const rounds = await seedRounds(node.db, node.loaded, {
    models: 6,
    count: 9 * RULES.length,
    fromMs,
    everyMs: 20_000,
  });
  const more = { ensembles: [{ name: "main", strategy: "equal_weight" as const }] };
  const metrics = [
    ...new Set([...node.loaded.competition.metrics, "contribution" as const, "model_correlation" as const]),
  ];
  const shares: string[] = [];
  for (const [i, [what, change]] of RULES.entries()) {
    const competition = { ...node.loaded.competition, ...more, metrics, ...change };
    const world = evidenceWorld(node.db, { ...node.loaded, competition }, node.folder);
    for (const id of rounds.slice(9 * i, 9 * (i + 1))) await world.score(id);
    const period = { startMs: START_MS + 3 * i * MINUTE_MS, endMs: START_MS + 3 * (i + 1) * MINUTE_MS };
    for (let at = period.startMs; at < period.endMs; at += MINUTE_MS)
      await world.window({ startMs: at, endMs: at + MINUTE_MS });
    const id = await world.evidence(period);
    expect((await node.verified(id)).steps.ranking, what).toBe("6 models by value");
    const path = join(node.folder, bundleName(id));
    expect(await python(path), what).toBe(`${path} 0\n`);
    const { ranking } = (await checkpointById(node.db, id))!.meta_jsonb as unknown as CheckpointMeta;
    shares.push(JSON.stringify(ranking.map((m) => m.reward_frac64)));
  }
  expect(new Set(shares).size, "each rule shares out in its own way").toBe(RULES.length);
});

const passes = (files: ReadonlyMap<string, string>): Promise<boolean> =>
  verifyBundle(filesIn(tarOf(files)), verifyDeps({ contract: undefined })).then(
    () => true,
    () => false,
  );

/** One change of each field of each kind of record, every hash of the manifest put right. */
function tampered(files: ReadonlyMap<string, string>): [string, ReadonlyMap<string, string>][] {
  const seen = new Set<string>();
  return [...files].flatMap(([name, text]) => {
    const isLines = name.endsWith(".ndjson");
    const values = name.startsWith("contract/")
      ? [text]
      : text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
    return values.flatMap((value, i) =>
      [...flips(value)].flatMap(({ path, value: other }): [string, ReadonlyMap<string, string>][] => {
        const kind = `${name} ${path.replace(/\d+/g, "#")}`;
        if (seen.has(kind)) return [];
        seen.add(kind);
        const lines = values.with(i, other).map((v) => (typeof value === "string" ? String(v) : canonicalText(v)));
        return [[`${kind} at ${i}`, new Map([...files, [name, lines.join("\n") + (isLines ? "\n" : "")]])]];
      }),
    );
  });
}
