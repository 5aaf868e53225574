import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quiet, until } from "../fixtures/test-fleet.ts";
import { writeFiles } from "../fixtures/test-host.ts";
import { CODE } from "../protocol/answer-code.ts";
import { readJson } from "../protocol/json-read.ts";
import { type Box, type BoxFolders, findBox, modelUid, type SandboxLevel } from "./box.ts";
import { submissionLaunch } from "./host-program.ts";
import { createModelHost } from "./model-host.ts";
import { findInterpreters } from "./python.ts";
import { createStaging, reachable, type Staging } from "./staging.ts";

const SLOT = 41;
const PATIENCE_MS = 30_000;
const MODEL = `
import dgram from "node:dgram";
import fs from "node:fs";
import { spawnSync } from "node:child_process";
const tries = (what) => { try { what(); return true } catch { return false } };
export default class Probe {
  async look() {
    const udp = await new Promise((done) => {
      try { dgram.createSocket("udp4").on("error", () => done(false)).send("x", 9, "127.0.0.1", (error) => done(!error)) } catch { done(false) }
    });
    return {
      udp,
      shadow: tries(() => fs.readFileSync("/etc/shadow")),
      code: tries(() => fs.appendFileSync(new URL(import.meta.url), "")),
      processes: fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name)).length,
      names: Object.keys(process.env).sort(),
      child: spawnSync(process.execPath, ["-e", "console.log(6 * 7)"]).stdout?.toString().trim(),
      big: new Array(1e6).fill(0.5).reduce((a, b) => a + b),
    };
  }
  fill() { const kept = []; for (;;) kept.push(new Array(1 << 20).fill(kept.length)) }
  buffers() { const kept = []; for (;;) kept.push(Buffer.alloc(64 << 20, 1)) }
}`;

/** Isolation is never skipped in CI. */
function giveUp(skip: (why: string) => void, why: string): void {
  if (process.env.CI) throw new Error(why);
  skip(why);
}

let state: string;
let code: string;
let staging: Staging;
let folders: BoxFolders;
let strongest: Box;
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), "almanac-js-box-"));
  code = await writeFiles({ "main.mjs": MODEL });
  staging = await createStaging(state);
  folders = await staging.stage("js", { code, packages: [] }, modelUid(SLOT));
  const probe = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
  strongest = await findBox("auto", await findInterpreters("python3"), probe);
});
afterAll(async () => {
  await staging.remove();
  for (const folder of [state, code]) await rm(folder, { recursive: true, force: true });
});

describe.each<SandboxLevel>(["bwrap", "unshare"])("JavaScript in a box %s", (level) => {
  test("works, sees nothing, and is bounded", async ({ skip }) => {
    if (strongest.level === "none") return giveUp(skip, `no box on this machine: ${strongest.tried.join("; ")}`);
    if (!(await reachable(dirname(process.execPath)))) return giveUp(skip, "models' accounts cannot reach this Node");
    const host = createModelHost({
      launch: () => submissionLaunch("javascript", { ...strongest, level }, SLOT, folders),
      logger: quiet,
      onChange: () => undefined,
    });
    const ask = async (name: string) => (await host.run("BATCH", [{ name, args: [], kwargs: [] }], PATIENCE_MS))[0]!;
    try {
      await until(host.state, (now) => now === "READY", PATIENCE_MS).catch((error) => {
        throw new Error(`${error.message}: ${host.log.text()}`);
      });
      const [setup] = await host.run("SETUP", [{ name: "a.Base", args: [], kwargs: [] }], PATIENCE_MS);
      expect(setup?.code, setup?.value.toString()).toBe(CODE.OK);
      const seen = readJson((await ask("look")).value) as { processes: number; names: string[] };
      expect(seen).toMatchObject({ udp: false, shadow: false, code: false, child: "42", big: 500_000 });
      expect(seen.processes).toBeLessThanOrEqual(4);
      expect(
        seen.names.filter((name) => !/^(HOME|TMPDIR|LANG|PATH|OMP_NUM_THREADS|OPENBLAS_NUM_THREADS|PWD)$/.test(name)),
      ).toEqual([]);
      for (const greedy of ["fill", "buffers"]) {
        await until(host.state, (now) => now === "READY", PATIENCE_MS);
        expect([CODE.DIED, CODE.FAILED], greedy).toContain((await ask(greedy)).code);
      }
      await until(host.state, (now) => now === "READY", PATIENCE_MS);
      expect((await ask("look")).code).toBe(CODE.OK);
    } finally {
      await host.stop();
    }
    return undefined;
  });
});
