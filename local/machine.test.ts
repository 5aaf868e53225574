import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { build, isStale } from "./builds.ts";
import { checkPython } from "./python.ts";
import { ensureSigningKey } from "./signing-key.ts";
import { cacheFolder, findTemporal, NoTemporalError } from "./temporal-binary.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "almanac-machine-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function program(path: string, script: string): string {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each([
  { name: "missing", script: undefined, message: /PYTHON=.* was not found\. Install Python 3\.10 or newer/ },
  { name: "too old", script: "echo 3.9.18", message: /is Python 3\.9\.18\. Install Python 3\.10 or newer/ },
  { name: "broken", script: "exit 3", message: /did not run\. Install Python 3\.10/ },
])("a $name Python is named with cause and cure", async ({ script, message }) => {
  const path = join(dir, "python");
  if (script) program(path, script);
  await expect(checkPython(path)).rejects.toThrow(message);
});

test("a Python that is new enough gives its version", async () => {
  expect(await checkPython(program(join(dir, "python"), "echo 3.10.0"))).toBe("3.10.0");
});

test("Temporal is taken from PATH first, then from the user's cache", async () => {
  const env = { PATH: join(dir, "bin"), XDG_CACHE_HOME: join(dir, "cache") };
  mkdirSync(cacheFolder(env), { recursive: true });
  const cached = program(join(cacheFolder(env), "temporal"), "");
  const never = () => expect.unreachable();
  mkdirSync(env.PATH);
  expect(await findTemporal(env, never)).toBe(cached);
  const onPath = program(join(env.PATH, "temporal"), "");
  expect(await findTemporal(env, never)).toBe(onPath);
});

test("no Temporal anywhere, no internet and a Go that fails: every cause is named, and the cures", async () => {
  const env = { PATH: join(dir, "bin"), XDG_CACHE_HOME: join(dir, "cache"), HTTPS_PROXY: "http://127.0.0.1:9" };
  mkdirSync(env.PATH);
  program(join(env.PATH, "go"), "echo no module proxy >&2; exit 1");
  const error = await findTemporal(env, () => undefined).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NoTemporalError);
  expect((error as Error).message).toMatch(
    /on PATH: no `temporal`[\s\S]*download: .+[\s\S]*Go build: no module proxy[\s\S]*install the Temporal CLI/,
  );
});

test("the signing key is a Solana key file for its owner only, and is never replaced", () => {
  const path = join(dir, "keys", "submitter.json");
  ensureSigningKey(path);
  const text = readFileSync(path, "utf8");
  const bytes = JSON.parse(text) as number[];
  expect(bytes.length).toBe(64);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  ensureSigningKey(path);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a product is stale when it is absent or older than any source", () => {
  const [source, product] = [join(dir, "web", "deep"), join(dir, "out.html")];
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, "a.ts"), "");
  expect(isStale(product, [join(dir, "web")])).toBe(true);
  writeFileSync(product, "");
  utimesSync(product, 2_000_000_000, 2_000_000_000);
  expect(isStale(product, [join(dir, "web"), join(dir, "absent")])).toBe(false);
  utimesSync(join(source, "a.ts"), 2_000_000_001, 2_000_000_001);
  expect(isStale(product, [join(dir, "web")])).toBe(true);
});

test("a build that fails says what it printed", async () => {
  const failing = build("The page", process.execPath, ["-e", "console.error('line 7 is wrong'); process.exit(1)"], {});
  await expect(failing).rejects.toThrow("The page could not be made ready:\nline 7 is wrong");
});
