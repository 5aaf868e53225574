import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { COORDINATOR, readIdentity, spkiOf } from "../models/secure/certificates.ts";
import { toBase58 } from "../models/secure/encoding.ts";
import { OF_RUNNER, verifyWalletMessage } from "../models/secure/wallet-message.ts";
import { runCommand } from "./main.ts";

let folder: string;
let wallet: { path: string; address: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "almanac-cert-"));
  wallet = await writeWallet("wallet.json");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => void vi.restoreAllMocks());

async function writeWallet(name: string, mode = 0o600) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const half = (key: Buffer) => [...key.subarray(-32)];
  const [secret, open] = [
    half(privateKey.export({ type: "pkcs8", format: "der" })),
    half(publicKey.export({ type: "spki", format: "der" })),
  ];
  const path = join(folder, name);
  await writeFile(path, JSON.stringify([...secret, ...open]));
  await chmod(path, mode);
  return { path, address: toBase58(Uint8Array.from(open)) };
}

/** Runs `almanac cert …`; gives back the exit code and what it printed. */
async function cert(...args: string[]) {
  const printed: string[] = [];
  const collect = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
  vi.spyOn(console, "log").mockImplementation((text) => void collect(text));
  vi.spyOn(console, "error").mockImplementation((text) => void collect(text));
  const code = await runCommand(["cert", ...args]);
  vi.restoreAllMocks();
  return { code, text: printed.join("\n") };
}
const keysOf = async (at: string) => JSON.parse(await readFile(join(at, "coordinator-keys.json"), "utf8")) as object;
const INIT = () => [
  "--model-id",
  "model-1",
  "--wallet",
  wallet.path,
  "--hotkey",
  "hot",
  "--coordinator-wallet",
  wallet.path,
];

describe("init, show, rotate", () => {
  let at: string;
  beforeAll(() => {
    at = join(folder, "all");
  });

  test("init makes files that only their owner reads, and words that verify", async () => {
    const { code, text } = await cert("init", at, ...INIT());
    expect({ code, text }).toMatchObject({ code: 0, text: expect.stringContaining("key hash") });
    for (const role of ["runner", "coordinator"]) {
      const { leaf, proofs, keyHash } = await readIdentity(join(at, role));
      expect(text).toContain(keyHash);
      const modelId = role === "runner" ? "model-1" : null;
      const hotkey = role === "runner" ? "hot" : null;
      const expected = { wallet: wallet.address, hotkey, modelId, spki: spkiOf(leaf), nowMs: Date.now() };
      const { expiresAt } = verifyWalletMessage(proofs.get(modelId ?? COORDINATOR)!, expected, OF_RUNNER);
      expect(expiresAt * 1000 - Date.now()).toBeGreaterThan(89 * 86_400_000);
      for (const name of await readdir(join(at, role, "slot-0")))
        expect([name, (await stat(join(at, role, "slot-0", name))).mode & 0o777]).toEqual([name, 0o600]);
    }
    expect((await stat(join(at, "ca", "ca.key"))).mode & 0o777).toBe(0o600);
    expect(
      (await readIdentity(join(at, "runner"))).leaf.checkHost("model-node-model-1.crunchdao.internal"),
    ).toBeDefined();
  });

  test("init overwrites nothing, unless told to", async () => {
    const before = await readFile(join(at, "runner", "tls.crt"), "utf8");
    expect(await cert("init", at)).toMatchObject({ code: 1, text: expect.stringMatching(/exists already.*--force/) });
    expect(await readFile(join(at, "runner", "tls.crt"), "utf8")).toBe(before);
    const ca = await readFile(join(at, "ca", "ca.crt"), "utf8");
    expect((await cert("init", at, "--force", ...INIT())).code).toBe(0);
    expect(await readFile(join(at, "runner", "tls.crt"), "utf8")).not.toBe(before);
    expect(await readFile(join(at, "ca", "ca.crt"), "utf8"), "the authority stays").toBe(ca);
    expect(await keysOf(at)).toMatchObject({ certHashSecondary: null });
  });

  test("show prints no key", async () => {
    const { code, text } = await cert("show", at);
    expect(code).toBe(0);
    expect(text).toMatch(/in force[\s\S]*until 20\d\d/);
    const shown = JSON.parse((await cert("show", at, "--json")).text);
    expect(shown.slots).toHaveLength(2);
    for (const output of [text, JSON.stringify(shown)]) {
      expect(output).not.toContain("PRIVATE");
      for (const role of ["runner", "coordinator"]) {
        const key = await readFile(join(at, role, "tls.key"), "utf8");
        expect(output).not.toContain(key.split("\n")[3]);
      }
    }
  });

  test("rotate fills the other slot and swaps; names and models stay; both hashes may call", async () => {
    const before = await readIdentity(join(at, "runner"));
    const { code, text } = await cert("rotate", at, "--role", "runner", "--wallet", wallet.path, "--hotkey", "hot");
    expect({ code, text }).toMatchObject({
      code: 0,
      text: expect.stringMatching(/slot-\d, in force[\s\S]*slot-\d, not in force/),
    });
    const after = await readIdentity(join(at, "runner"));
    expect(after.keyHash).not.toBe(before.keyHash);
    expect(after.leaf.subjectAltName).toBe(before.leaf.subjectAltName);
    expect([...after.proofs.keys()]).toEqual(["model-1"]);
  });

  test("rotate does not put a key in force that nobody vouches for", async () => {
    const before = await readIdentity(join(at, "runner"));
    const refused = await cert("rotate", at, "--role", "runner");
    expect(refused).toMatchObject({ code: 1, text: expect.stringMatching(/no wallet's word for model-1/) });
    expect((await readIdentity(join(at, "runner"))).keyHash).toBe(before.keyHash);
  });

  test("a coordinator's new hash is staged, registered, then put in force", async () => {
    const before = await readIdentity(join(at, "coordinator"));
    const staged = await cert("rotate", at, "--role", "coordinator", "--stage", "--coordinator-wallet", wallet.path);
    expect(staged.code).toBe(0);
    expect((await readIdentity(join(at, "coordinator"))).keyHash).toBe(before.keyHash);
    const keys = (await keysOf(at)) as { certHash: string; certHashSecondary: string };
    expect(keys.certHash).toBe(before.keyHash);
    expect((await cert("rotate", at, "--role", "coordinator", "--activate")).code).toBe(0);
    expect((await readIdentity(join(at, "coordinator"))).keyHash).toBe(keys.certHashSecondary);
  });
});

test("without models the runner's certificate is for all of them", async () => {
  const at = join(folder, "any");
  expect((await cert("init", at, "--role", "runner")).text).toMatch(/nobody vouches/);
  expect((await readIdentity(join(at, "runner"))).leaf.checkHost("model-node-x-7.crunchdao.internal")).toBeDefined();
});

test.each([
  ["no role", ["rotate", "x"], 2, /required option '--role <role>'/],
  ["an unknown role", ["init", "x", "--role", "gateway"], 2, /Allowed choices are coordinator, runner/],
  ["no days", ["init", "x", "--days", "soon"], 2, /whole number of days/],
  ["a model that cannot be a host name", ["init", "x", "--model-id", "a/b"], 2, /part of a host name/],
  ["both ways at once", ["rotate", "x", "--role", "runner", "--stage", "--activate"], 2, /cannot be used with/],
  ["an unknown command", ["revoke"], 2, /unknown command|Did you mean/],
  ["a folder without certificates", ["show", "/nowhere"], 1, /holds no certificates/],
  ["nothing to rotate", ["rotate", "/nowhere", "--role", "runner"], 1, /holds no certificate yet/],
])("%s ends with a reason", async (_name, args, code, text) => {
  expect(await cert(...args)).toMatchObject({ code, text: expect.stringMatching(text) });
});

test("a wallet that others can read, or that is none, is refused before anything is written", async () => {
  const at = join(folder, "refused");
  const open = await writeWallet("open.json", 0o644);
  const how = (path: string) => cert("init", at, "--model-id", "m", "--wallet", path);
  expect(await how(open.path)).toMatchObject({ code: 1, text: expect.stringMatching(/can be read by others/) });
  expect(await how(join(folder, "no.json"))).toMatchObject({
    code: 1,
    text: expect.stringMatching(/No wallet's key file/),
  });
  await expect(stat(at)).rejects.toThrow(/ENOENT/);
});
