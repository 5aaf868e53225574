import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { App } from "../../../api/deps.ts";
import { type Seeded, seed } from "./seed.ts";
import { type Fresh, freshDatabase, serverOn } from "./world.ts";

const CHROMIUM =
  process.env.CHROMIUM_PATH ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
if (!CHROMIUM)
  console.warn("SKIPPED: no Chromium at /usr/bin/chromium; install it or name one with CHROMIUM_PATH to test the page");

let [fresh, seeded, webRoot]: [Fresh, Seeded, string] = [] as never;

beforeAll(async () => {
  fresh = await freshDatabase(inject("postgresUrl"));
  seeded = await seed(fresh.db, { nowMs: Date.now(), rounds: 60 });
  webRoot = await mkdtemp(join(tmpdir(), "almanac-page-"));
  await build({
    configFile: resolve(import.meta.dirname, "../../../web/vite.config.ts"),
    logLevel: "error",
    build: { outDir: webRoot },
  });
});
afterAll(async () => {
  await fresh?.[Symbol.asyncDispose]();
  if (webRoot) await rm(webRoot, { recursive: true });
});

describe("files", () => {
  it("assets are immutable, the page is asked for anew, and unknown API paths are no page", async () => {
    const app = await serverOn(fresh.db, seeded.nowMs, { webRoot });
    const page = await app.inject("/");
    expect(page.headers["cache-control"]).toBe("no-cache");
    const asset = /\/assets\/index-[\w-]+\.js/.exec(page.body)?.[0];
    expect((await app.inject(asset!)).headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect((await app.inject("/some/page")).body).toBe(page.body);
    expect((await app.inject("/v1/unknown")).headers["content-type"]).toContain("application/problem+json");
    for (const path of ["/assets/none.js", "/../package.json", "/assets/..%2f..%2fpackage.json", "/.env"])
      expect((await app.inject(path)).statusCode, path).toBe(404);
    await app.close();
  });

  it("loads nothing from elsewhere", async () => {
    const app = await serverOn(fresh.db, seeded.nowMs, { webRoot });
    const page = (await app.inject("/")).body;
    for (const [, address] of page.matchAll(/(?:src|href)="([^"]+)"/g)) expect(address).toMatch(/^\/assets\//);
    await app.close();
  });
});

describe.skipIf(!CHROMIUM)("in a browser", () => {
  let [browser, app, url]: [Browser, App, string] = [] as never;
  const errors: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ARGS });
    app = await serverOn(fresh.db, seeded.nowMs, { webRoot });
    url = await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterAll(async () => {
    await browser?.close();
    await app?.close();
  });

  const opened = async (at: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> => {
    const page = await browser.newPage(options);
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(at);
    return page;
  };

  it("shows the pipeline, the leaderboard, the rounds and the checkpoint with its timeline", async () => {
    const page = await opened(url);
    for (const part of ["[data-stage=Chain]", ".leaderboard tbody tr", ".rounds tbody a", ".emission tfoot"])
      await page.locator(part).first().waitFor(); // each comes with an answer of its own
    expect(
      await page.locator("[data-stage]").evaluateAll((stages) => stages.map((s) => s.getAttribute("data-stage"))),
    ).toEqual(["Feed", "Input", "Predict", "Score", "Snapshot", "Checkpoint", "Chain"]);
    expect(await page.locator('[data-stage="Predict"]').textContent()).toContain("4/4");
    expect(await page.locator(".leaderboard tbody th").allInnerTexts()).toEqual([
      "momentum\nalice",
      "volatility-trend\ncarol",
      "mean-reversion\nbob\nuntil Nov 20: 0.5000 over 1,234",
      "slow-thinker provisional newcomer\nalice",
    ]);
    expect(await page.locator(".leaderboard td.rank").allInnerTexts()).toEqual(["1", "2\n1–3", "3", "4"]);
    expect(await page.locator(".leaderboard td.rank").nth(1).getAttribute("title")).toBe(
      "95 % sure: ranks 1 to 3; cannot be told apart from rank 1",
    );
    expect(await page.locator(".leaderboard tbody tr:first-child td.ranked").textContent()).toContain("0.4200");
    await page.locator(".timeline li").nth(12).waitFor();
    expect(await page.locator(".timeline .step").last().textContent()).toMatch(/paying.*paid.*attempt 2/s);
    expect(await page.locator(".emission tfoot").textContent()).toContain("1,000,000,000");
    const workflow = encodeURIComponent(seeded.roundIds.at(-1)!);
    expect(await page.locator(".rounds tbody a").first().getAttribute("href")).toBe(
      `http://127.0.0.1:8233/namespaces/almanac/workflows/${workflow}`,
    );
    expect(await page.getByRole("link", { name: "open in the Temporal UI" }).getAttribute("href")).toMatch(
      /\/namespaces\/almanac-checkpoints\/workflows\/checkpoint%2Fstarter-challenge%2F\d+$/,
    );
    expect(await page.title()).toBe("Realtime returns · Almanac");
    expect(errors).toEqual([]);
    await page.close();
  });

  it.each(["light", "dark"] as const)("fits a phone of 360 px in the %s theme", async (colorScheme) => {
    const page = await opened(url, { viewport: { width: 360, height: 740 }, colorScheme });
    await page.locator(".timeline li").first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(background).toBe(colorScheme === "dark" ? "rgb(16, 20, 27)" : "rgb(245, 244, 240)");
    await page.close();
  });

  it("keeps the last numbers with their time when the node goes away", async () => {
    const own = await serverOn(fresh.db, seeded.nowMs, { webRoot });
    const page = await opened(await own.listen({ host: "127.0.0.1", port: 0 }));
    await page.locator(".leaderboard").waitFor();
    await own.close();
    await page.getByText(/The node does not answer/).waitFor();
    expect(await page.getByRole("status").textContent()).toMatch(/stale since \d\d:\d\d:\d\d/);
    expect(await page.locator(".leaderboard tbody tr").count()).toBe(4);
    await page.close();
  });

  it("says why an empty competition is empty", async () => {
    await using empty = await freshDatabase(inject("postgresUrl"));
    const own = await serverOn(empty.db, Date.now(), { webRoot });
    const page = await opened(await own.listen({ host: "127.0.0.1", port: 0 }));
    await page.getByText("No scores yet.").waitFor();
    await page.getByText("No checkpoint yet.").waitFor();
    await page.getByText("No round yet.").waitFor();
    expect(await page.locator(".empty").first().textContent()).toContain("No model is connected");
    await page.close();
    await own.close();
  });
});
