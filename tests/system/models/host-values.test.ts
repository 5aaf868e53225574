import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { everyPython } from "../../../models/fixtures/pythons.ts";
import { publicPackages } from "../../interop/venv.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../../..");
const VECTORS = join(process.env.VECTORS_DIR ?? join(ROOT, "tests/vectors"), "variants.json");

interface Verdict {
  readonly name: string;
  readonly theirs: string;
  readonly ours?: string;
  readonly same?: boolean;
  /** not a value of a host, and why */
  readonly skipped?: string;
  /** the package that it needs */
  readonly missing?: string;
}

/** Where our host does otherwise than the public runner, on purpose. */
const DELIBERATE: { reason: string; applies: (verdict: Verdict) => boolean }[] = [
  { reason: "NaN and infinities are no answers", applies: ({ ours = "" }) => ours.startsWith("NotFinite: ") },
  { reason: "half a surrogate pair is no text", applies: ({ ours = "" }) => ours.includes("half a surrogate pair") },
  { reason: "INT has exactly 8 bytes", applies: ({ ours = "" }) => ours.endsWith("requires a buffer of 8 bytes") },
  {
    reason: "an integer that does not fit is refused when its type is chosen, not later",
    applies: ({ name, ours = "" }) => name.startsWith("detect/") && ours.includes("int too big"),
  },
  {
    reason: "None is a value like any other",
    applies: ({ theirs }) => /^Unsupported data type: (0|<class 'NoneType'>)$/.test(theirs),
  },
  {
    reason: "numbers and arrays of numpy are numbers and lists",
    applies: ({ theirs }) =>
      /<class 'numpy\.|Object of type (u?int\d+|float\d+|ndarray|bool_?) is not JSON/.test(theirs),
  },
];

async function judged(python: string): Promise<Verdict[]> {
  const program = [join(ROOT, "models/fixtures/value_vectors.py"), join(ROOT, "models/runner/host"), VECTORS];
  const { stdout } = await run(python, ["-B", ...program], { maxBuffer: 64 << 20, timeout: 120_000 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Verdict);
}

function expectAgreement(verdicts: readonly Verdict[], who: string): void {
  const other = verdicts.filter((verdict) => verdict.same === false && verdict.missing === undefined);
  expect(
    other.filter((verdict) => !DELIBERATE.some(({ applies }) => applies(verdict))),
    who,
  ).toEqual([]);
  const reasons = new Set(verdicts.map(({ skipped }) => skipped).filter(Boolean));
  for (const reason of reasons) expect(reason).toMatch(/^an answer of this kind is no |^the runner keeps such bytes/);
  expect(verdicts.filter(({ same }) => same).length, who).toBeGreaterThan(verdicts.length / 3);
}

describe("values of the public runner, by the Python host", () => {
  test("with the standard library alone, on every Python at hand", async () => {
    for (const python of await everyPython()) {
      const verdicts = await judged(python.executable);
      expectAgreement(verdicts, python.executable);
    }
  });

  test("with numpy, pandas and pyarrow", { timeout: 900_000 }, async ({ skip }) => {
    const packages = await publicPackages();
    if ("missing" in packages) return skip(packages.missing);
    const verdicts = await judged(packages.runner);
    expectAgreement(verdicts, "the public runner's environment");
    expect(verdicts.filter(({ missing }) => missing)).toEqual([]);
    for (const prefix of ["encode/PARQUET/", "arrow-stream/", "arrow-file/"])
      expect(
        verdicts.some(({ name, same }) => name.startsWith(prefix) && same),
        prefix,
      ).toBe(true);
    return undefined;
  });
});
