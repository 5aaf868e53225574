import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { App, CheckpointRuns } from "../../../api/deps.ts";
import { ApiError } from "../../../api/problem.ts";
import { buildServer } from "../../../api/server.ts";
import { loadCompetition } from "../../../competitions/load.ts";
import { checkpointById, transition } from "../../../db/checkpoints.ts";
import { openObjection } from "../../../db/decisions.ts";
import type { Decision } from "../../../domain/checkpoint.ts";
import { seedCheckpoint } from "./seed-checkpoint.ts";
import { type Fresh, freshDatabase, SETTINGS } from "./world.ts";

const CHROMIUM =
  process.env.CHROMIUM_PATH ??
  ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
const END_MS = Date.parse("2026-11-21T00:00:00Z");
const SHOTS = process.env.SCREENSHOTS;

describe.skipIf(!CHROMIUM)("the page of a checkpoint", () => {
  let [fresh, webRoot, browser]: [Fresh, string, Browser] = [] as never;
  let [paid, open]: [string, string] = [] as never;
  const errors: string[] = [];
  const asked: { action: string; input: object; updateId: string }[] = [];

  /** Stands for the workflow: it moves the row as the real one does. */
  const runs: CheckpointRuns = {
    decide: async ({ id }, action, input, updateId) => {
      asked.push({ action, input, updateId });
      if (action !== "approve") throw new ApiError(409, "conflict", `${action} is being looked at by somebody else`);
      const actor = input.actor!;
      const decision = {
        key: input.key!,
        checkpoint: id,
        action,
        actor,
        reason: null,
        statement: null,
        signature: null,
      };
      const body = JSON.stringify([id, action, actor, "looks right", null, null]);
      await fresh.db.transaction().execute((tx) =>
        transition(tx, {
          ...{ checkpointId: id, from: "AWAITING_APPROVAL", to: "PLANNED", attempt: 1, actor, cause: "looks right" },
          decision: { ...decision, body },
        }),
      );
      return { id, action, actor, phase: "PLANNED", status: "PENDING", waits_for: null };
    },
  };
  const served = async (network: string): Promise<[App, string]> => {
    const competition = await loadCompetition(
      resolve(import.meta.dirname, "../../../competitions/realtime/competition.ts"),
      ["SP500"],
    );
    const settings = { ...SETTINGS, network, webRoot };
    const app = await buildServer({
      ...{ settings, db: fresh.db, competition, checks: {}, log: pino({ level: "silent" }), checkpoints: runs },
    });
    return [app, await app.listen({ host: "127.0.0.1", port: 0 })];
  };
  const opened = async (url: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> => {
    const page = await browser.newPage(options);
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(url);
    return page;
  };

  beforeAll(async () => {
    fresh = await freshDatabase(inject("postgresUrl"));
    paid = await seedCheckpoint(fresh.db, END_MS, [
      ...(["AWAITING_APPROVAL", "PLANNED", "SIGNED", "SENT", "SEEN", "FINAL", "CLAIMABLE", "PAYING", "PAID"] as const),
    ]);
    open = await seedCheckpoint(fresh.db, END_MS + 120_000, ["AWAITING_APPROVAL"]);
    await openObjection(fresh.db, open, 1, 3_600_000);
    webRoot = await mkdtemp(join(tmpdir(), "almanac-checkpoint-page-"));
    await build({
      configFile: resolve(import.meta.dirname, "../../../web/vite.config.ts"),
      logLevel: "error",
      build: { outDir: webRoot },
    });
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ARGS });
  });
  afterAll(async () => {
    await browser?.close();
    await fresh?.[Symbol.asyncDispose]();
    if (webRoot) await rm(webRoot, { recursive: true });
  });

  it("lists all, and shows one with its steps, shares and proof", async () => {
    const [app, url] = await served("LOCAL");
    const page = await opened(`${url}/checkpoints`);
    await page.getByRole("link", { name: paid }).waitFor();
    expect(await page.locator(".checkpoints tbody tr").count()).toBe(2);
    if (SHOTS) await page.screenshot({ path: join(SHOTS, "checkpoints.png"), fullPage: true });
    await page.getByRole("link", { name: paid }).click();
    await page.locator(".timeline li").nth(9).waitFor();
    expect(await page.title()).toBe(`${paid} · Almanac`);
    expect(await page.locator(".emission tfoot").textContent()).toContain("1,000,000,000");
    expect(await page.locator(".facts").textContent()).toContain("9f9f");
    expect(await page.locator(".decide").count()).toBe(0);
    if (SHOTS) await page.screenshot({ path: join(SHOTS, "checkpoint-paid.png"), fullPage: true });
    await page.goto(`${url}/checkpoints/CKP_19990101_000000`);
    await page.getByText("There is no checkpoint CKP_19990101_000000.").waitFor();
    await page.close();
    await app.close();
  });

  it("off LOCAL it has no buttons, but the commands that sign", async () => {
    const [app, url] = await served("DEVNET");
    const page = await opened(`${url}/checkpoints/${open}`);
    await page.locator(".commands").waitFor();
    const commands = await page.locator(".commands code").allInnerTexts();
    expect(commands).toEqual([
      `almanac checkpoint approve ${open} --key <key file> --node ${url}`,
      `almanac checkpoint void ${open} --reason "…" --key <key file> --node ${url}`,
    ]);
    expect(await page.locator(".decide button").count()).toBe(0);
    expect(await page.getByLabel("Approvals").textContent()).toContain("0 of 1");
    if (SHOTS) await page.screenshot({ path: join(SHOTS, "checkpoint-devnet.png"), fullPage: true });
    await page.close();
    await app.close();
  });

  it("on LOCAL a void wants a reason, a refusal is shown in the node's words, and an approval goes through once", async () => {
    const [app, url] = await served("LOCAL");
    const page = await opened(`${url}/checkpoints/${open}`);
    const said = page.locator(".decide [role=status]");
    await page.getByRole("button", { name: "Void" }).click();
    await page.getByText("Void wants a reason.").waitFor();
    await page.getByLabel("Reason").fill("looks right");
    await page.getByRole("button", { name: "Void" }).click();
    await expect.poll(() => said.textContent()).toBe("void is being looked at by somebody else");
    if (SHOTS) await page.screenshot({ path: join(SHOTS, "checkpoint-open.png"), fullPage: true });
    await page.getByRole("button", { name: "Approve" }).dblclick();
    await page.locator(".timeline .step", { hasText: "planned" }).waitFor();
    await page.locator(".decide").waitFor({ state: "detached" });
    expect(asked.map(({ action }) => action)).toEqual(["void", "approve"] satisfies Decision[]);
    expect(asked.at(-1)!.input).toMatchObject({ actor: "page", reason: "looks right" });
    expect((await checkpointById(fresh.db, open))?.phase).toBe("PLANNED");
    expect(await page.locator(".timeline li").last().textContent()).toContain("page");
    await page.close();
    await app.close();
    expect(errors).toEqual([]);
  });

  it.each(["light", "dark"] as const)("fits a phone of 360 px in the %s theme", async (colorScheme) => {
    const [app, url] = await served("DEVNET");
    const page = await opened(`${url}/checkpoints/${paid}`, { viewport: { width: 360, height: 740 }, colorScheme });
    await page.locator(".timeline li").first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    await page.goto(`${url}/checkpoints`);
    await page.getByRole("link", { name: paid }).waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    await page.close();
    await app.close();
  });
});
