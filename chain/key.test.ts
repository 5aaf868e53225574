import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyPairSignerFromPrivateKeyBytes, getAddressEncoder } from "@solana/kit";
import { afterAll, expect, test } from "vitest";
import { readKeyFile } from "./key.ts";

const dir = mkdtempSync(join(tmpdir(), "almanac-key-"));
afterAll(() => rmSync(dir, { recursive: true }));
const seed = new Uint8Array(32).fill(5);
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

test("reads what Solana's tools write", async () => {
  const { address } = await createKeyPairSignerFromPrivateKeyBytes(seed);
  const text = JSON.stringify([...seed, ...getAddressEncoder().encode(address)]);
  expect((await readKeyFile(file("good", text))).address).toBe(address);
  await expect(readKeyFile(file("open", text, 0o640))).rejects.toThrow(
    /can be read by others \(mode 640\). Run: chmod 600/,
  );
});
test.each([
  ["no file", () => join(dir, "absent"), "No key file at"],
  ["no JSON", () => file("text", "hello"), "is not a key file"],
  ["half a key", () => file("short", JSON.stringify([...seed])), "is not a key file"],
  ["halves that do not match", () => file("wrong", JSON.stringify([...seed, ...seed])), "holds no key pair"],
])("%s is refused without a word of its content", async (_, path, message) => {
  const error: Error = await readKeyFile(path()).then(
    () => expect.unreachable(),
    (e: Error) => e,
  );
  expect(error.message).toContain(message);
  expect(error.message).not.toContain("5,5");
});
