import { X509Certificate } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import { beforeAll, expect, test } from "vitest";
import { weaknessOf } from "./certificates.ts";
import { contentOf, integer, objectId, parts, sequence, time } from "./der.ts";
import { type Issued, issueAuthority, issueLeaf } from "./issue.ts";

let authority: Issued;
beforeAll(async () => {
  authority = await issueAuthority({ name: "Authority, with a comma", days: 1826 });
}, 60_000);

test.each(["rsa", "p256", "ed25519"] as const)(
  "a %s leaf is its authority's, for its names, both ways, for its days",
  async (kind) => {
    const hosts = ["model-node-7.crunchdao.internal", "127.0.0.1"];
    const leaf = new X509Certificate((await issueLeaf(authority, { name: "leaf", hosts, days: 90, kind })).certificate);
    const root = new X509Certificate(authority.certificate);
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.issuer).toBe(root.subject);
    expect([leaf.ca, root.ca]).toEqual([false, true]);
    expect(leaf.subjectAltName).toBe("DNS:model-node-7.crunchdao.internal, IP Address:127.0.0.1");
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(weaknessOf(leaf)).toBeUndefined();
    const days = (Date.parse(leaf.validTo) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThan(90.01);
    const own = leaf.toLegacyObject() as Parameters<typeof checkServerIdentity>[1];
    expect(checkServerIdentity(hosts[0]!, own)).toBeUndefined();
    expect(checkServerIdentity("model-node-8.crunchdao.internal", own)).toBeInstanceOf(Error);
  },
  60_000,
);

test("two certificates never share a serial number", async () => {
  const leaves = await Promise.all([1, 2, 3].map(() => issueLeaf(authority, { name: "x", days: 1, kind: "p256" })));
  expect(new Set(leaves.map(({ certificate }) => new X509Certificate(certificate).serialNumber)).size).toBe(3);
});

test("a leaf that lives beyond 2049 says so in the longer form", async () => {
  const now = new Date("2049-12-01T00:00:00Z");
  const { certificate } = await issueLeaf(authority, { name: "late", days: 90, kind: "p256", now });
  expect(new Date(new X509Certificate(certificate).validTo).toISOString()).toBe("2050-03-01T00:00:00.000Z");
});

test("what is not written into certificates is refused", async () => {
  await expect(issueLeaf(authority, { name: "x", hosts: ["::1"], days: 1, kind: "p256" })).rejects.toThrow(/IPv6/);
});

test("DER: numbers, names, lengths, times", () => {
  expect(integer(Buffer.from([0, 0, 0x80])).toString("hex")).toBe("02020080");
  expect(integer(Buffer.alloc(3)).toString("hex")).toBe("020100");
  expect(objectId("1.2.840.113549.1.1.11").toString("hex")).toBe("06092a864886f70d01010b");
  expect(time(new Date("2026-01-02T03:04:05.678Z")).toString("latin1")).toContain("260102030405Z");
  const long = sequence(...Array.from({ length: 100 }, (_, i) => integer(Buffer.from([i + 1]))));
  expect(parts(long)).toHaveLength(100);
  expect(contentOf(parts(long)[41]!)).toEqual(Buffer.from([42]));
  for (const bad of ["30", "3005", "3084ffffffff", "30030201"])
    expect(() => parts(Buffer.from(bad, "hex"))).toThrow(/not DER/);
});
