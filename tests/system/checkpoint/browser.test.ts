import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { bundleName } from "../../../domain/ids.ts";
import type { Difference } from "../../../proofs/verify/difference.ts";
import { verifyBundle } from "../../../proofs/verify/verify.ts";
import { filesIn, gzipped, tarOf, verifyDeps } from "../../evidence/archive.ts";
import { bundleFiles } from "../../evidence/fixture.ts";
import { seed } from "../api/seed.ts";
import { type Fresh, freshDatabase, serverOn } from "../api/world.ts";

const CHROMIUM =
  process.env.CHROMIUM_PATH ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
if (!CHROMIUM)
  console.warn("SKIPPED: no Chromium; install it or name one with CHROMIUM_PATH to test the page's verifier");

describe.skipIf(!CHROMIUM)("the page's own verifier", () => {
  let [browser, fresh, folder, nowMs]: [Browser, Fresh, string, number] = [] as never;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "almanac-browser-"));
    await mkdir(join(folder, "evidence"));
    fresh = await freshDatabase(inject("postgresUrl"));
    nowMs = (await seed(fresh.db, { nowMs: Date.now(), rounds: 60 })).nowMs;
    const configFile = resolve(import.meta.dirname, "../../../web/vite.config.ts");
    await build({ configFile, logLevel: "error", build: { outDir: join(folder, "web") } });
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ARGS });
  });
  afterAll(async () => {
    await browser?.close();
    await fresh?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true });
  });

  test("finds a bundle good, and in a forged one the same first difference as the command", async () => {
    const app = await serverOn(fresh.db, nowMs, {
      webRoot: join(folder, "web"),
      evidenceRoot: join(folder, "evidence"),
    });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const { id } = (await app.inject("/v1/checkpoints/latest")).json() as { id: string };
    const files = await bundleFiles();
    const shown = async (tar: Uint8Array): Promise<string> => {
      await writeFile(join(folder, "evidence", bundleName(id)), gzipped(tar));
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      await page.goto(url);
      await page.getByRole("button", { name: "Verify in this browser" }).click();
      await page.locator(".verify li", { hasText: /almanac verify|✘/ }).waitFor();
      const text = (await page.locator(".verify ol").textContent())!;
      expect(errors).toEqual([]);
      await page.close();
      return text;
    };

    const good = await shown(tarOf(files));
    expect(good).toContain("✔ ranking 4 models by value");
    expect(good).toContain("– 48 of 48 scores are taken as given");
    expect(good).not.toContain("✘");

    const forged = Uint8Array.from(tarOf(files));
    const at = Buffer.from(forged).indexOf('"profit":') + 12;
    forged[at] = forged[at]! === 0x39 ? 0x38 : forged[at]! + 1;
    const difference = await verifyBundle(filesIn(forged), verifyDeps({ contract: undefined })).then(
      () => null,
      (error: Difference) => error.message,
    );
    expect(difference).toMatch(/^rounds\.ndjson · sha256/);
    expect(await shown(forged)).toContain(`✘ ${difference}`);
    await app.close();
  });
});
