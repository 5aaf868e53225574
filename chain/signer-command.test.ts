import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyPairSignerFromPrivateKeyBytes, getPublicKeyFromAddress, verifySignature } from "@solana/kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signBytes } from "./signer.ts";
import { commandSigner } from "./signer-command.ts";

const dir = mkdtempSync(join(tmpdir(), "almanac-signer-"));
const message = new TextEncoder().encode("a message");
let address: string;

/** A program that runs this body of JavaScript, with the message as `input`. */
function program(name: string, body: string): string {
  const path = join(dir, name);
  writeFileSync(
    path,
    `#!${process.execPath}
const { createPrivateKey, sign } = require("node:crypto");
const input = Buffer.from(require("node:fs").readFileSync(0, "utf8"), "base64");
const pkcs8 = (seed) => Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
const by = (fill) => sign(null, input, createPrivateKey({ key: pkcs8(Buffer.alloc(32, fill)), format: "der", type: "pkcs8" }));
${body}`,
  );
  chmodSync(path, 0o700);
  return path;
}
const asked = (...argv: [string, ...string[]]) =>
  signBytes(commandSigner({ argv, address, timeoutMs: 20_000 }), message);

beforeAll(async () => {
  address = (await createKeyPairSignerFromPrivateKeyBytes(new Uint8Array(32).fill(7))).address;
});
afterAll(() => rmSync(dir, { recursive: true }));

test("a program signs what it reads, and its arguments meet no shell", async () => {
  const path = program(
    "signs.cjs",
    `if (process.argv[2] !== "$(id); *") process.exit(9); console.log(by(7).toString("base64"));`,
  );
  const signature = await asked(path, "$(id); *");
  const key = await getPublicKeyFromAddress(address as never);
  expect(await verifySignature(key, signature as never, message)).toBe(true);
});
test("a signature of another key, or of another message, is not used", async () => {
  const other = program("other.cjs", `console.log(by(8).toString("base64"));`);
  const stale = program("stale.cjs", `input[0] ^= 1; console.log(by(7).toString("base64"));`);
  for (const path of [other, stale]) await expect(asked(path)).rejects.toMatchObject({ code: "KEY_MISMATCH" });
});
test("an answer that is no signature is named by its length alone", async () => {
  const path = program("short.cjs", `console.log("c2VjcmV0");`);
  await expect(asked(path)).rejects.toMatchObject({
    code: "KEY_MISMATCH",
    message: expect.stringContaining("answered 6 bytes"),
  });
});
test("a program that fails says why, in no more than 300 characters; asked again it may sign", async () => {
  const path = program(
    "fails.cjs",
    `process.stderr.write("device is locked " + "x".repeat(100000)); process.exitCode = 3;`,
  );
  const error = await asked(path).catch((e: Error & { code: string }) => e);
  expect(error).toMatchObject({
    code: "UNREACHABLE",
    message: expect.stringMatching(/ended with 3: device is locked x/),
  });
  expect((error as Error).message.length).toBeLessThan(400);
});
test("a program that hangs is ended, one that is not there is named", async () => {
  const path = program("hangs.cjs", `setInterval(() => 0, 1000);`);
  const hanging = commandSigner({ argv: [path], address, timeoutMs: 500 });
  await expect(signBytes(hanging, message)).rejects.toMatchObject({
    code: "UNREACHABLE",
    message: expect.stringContaining("took longer than 500 ms"),
  });
  await expect(asked(join(dir, "nowhere"))).rejects.toMatchObject({ message: expect.stringContaining("ENOENT") });
});
