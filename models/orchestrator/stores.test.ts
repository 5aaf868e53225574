import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { quiet } from "../fixtures/test-fleet.ts";
import type { Built } from "./build.ts";
import { newText, openLogs } from "./logs.ts";
import { modelViews } from "./model-view.ts";
import type { ModelsFile } from "./models-file.ts";
import { openQuarantine } from "./quarantine.ts";
import { UploadError } from "./submission-files.ts";
import { openSubmissions } from "./submissions.ts";
import { openUploads, type Upload } from "./uploads.ts";
import { claimedTwice, wantedModels } from "./wanted.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "almanac-stores-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("quarantine", () => {
  const key = { submission: "s", resource: "", hardware: "CPU" };
  test("is read again as it was written; a file that cannot be understood is not guessed at", async () => {
    const path = join(folder, "quarantine.json");
    const first = await openQuarantine(path, quiet);
    first.add(key, "a", "RUN_FAILED", 5);
    first.add({ ...key, hardware: "GPU" }, "b", "BUILD_FAILED", 6);
    first.lift({ ...key, hardware: "GPU" });
    await first.flush();
    const second = await openQuarantine(path, quiet);
    expect(second.find(key)).toEqual({ ...key, model_id: "a", code: "RUN_FAILED", at: 5 });
    expect(second.find({ ...key, hardware: "GPU" })).toBeUndefined();
    expect(second.lift({ ...key, resource: "r" })).toBe(false);
    writeFileSync(path, '{"entries":[{"code":"NO_SUCH_CODE"}]}');
    await expect(openQuarantine(path, quiet)).rejects.toThrow(/quarantine\.json cannot be understood/);
  });
});

describe("submissions", () => {
  const file = async (text: string) => Readable.from([Buffer.from(text)]);
  test("the same files are one submission; what is not stored leaves nothing; leftovers go at the next start", async () => {
    const submissions = await openSubmissions(folder);
    const hashes: string[] = [];
    for (const top of ["", "a/"]) {
      const incoming = await submissions.receive();
      await incoming.add(`${top}main.py`, () => file("x = 1"));
      await incoming.add(`${top}b/c.txt`, () => file("y"));
      hashes.push(await incoming.store());
      await incoming.discard();
    }
    expect(hashes[1]).toBe(hashes[0]);
    expect(readFileSync(join(submissions.folderOf(hashes[0]!), "files/b/c.txt"), "utf8")).toBe("y");
    const refused = await submissions.receive();
    await refused.add("readme.txt", () => file("x"));
    await expect(refused.store()).rejects.toThrow(/no program/);
    await refused.discard();
    expect(readdirSync(join(folder, "submissions"))).toEqual([hashes[0]]);
    await (await submissions.receive()).add("main.py", () => file("half"));
    await openSubmissions(folder);
    expect(readdirSync(join(folder, "submissions"))).toEqual([hashes[0]]);
  });
});

const file: ModelsFile = {
  models: [
    {
      id: "u1",
      crunch_id: "c",
      cruncher_id: "x",
      desired_state: "STOPPED",
      trusted: true,
      code: "/a.py",
      packages: ["/p"],
      site: [],
      version: "1",
    },
  ],
  packages: ["/p"],
  packagesVersion: "1",
};
const uploadOf = (id: string): Upload => ({
  model: {
    id,
    model_name: "n",
    crunch_id: "c",
    cruncher_id: "x",
    cruncher_name: "x",
    desired_state: "RUNNING",
    submission: "s",
    built: "s",
  },
  build: { state: "SUCCESS", failure: null, message: null, job: "j" },
  ready: { code: "/code", site: ["/site"] },
});

describe("two sources of models", () => {
  const uploads = [uploadOf("u1"), uploadOf("u2")];
  test("of one id the file's runs; the other says so", () => {
    expect(claimedTwice(file, uploads)).toEqual(["u1"]);
    expect(wantedModels(file, uploads).map(({ id, code }) => [id, code])).toEqual([
      ["u1", "/a.py"],
      ["u2", "/code"],
    ]);
    const views = modelViews({ file, uploads, deployments: [], isEnding: () => false, twice: ["u1"] });
    expect(views.map(({ id, source, status }) => [id, source, status])).toEqual([
      ["u1", "file", "RUNNER_STOPPED"],
      ["u1", "upload", "BUILDER_FAILED"],
      ["u2", "upload", "RUNNER_INITIALIZING"],
    ]);
    expect(views[1]?.statusMessage).toMatch(/models\.yaml has a model u1/);
  });

  test("other packages are another version", () => {
    const versions = ["1", "2"].map(
      (packagesVersion) => wantedModels({ ...file, packagesVersion }, uploads)[1]?.version,
    );
    expect(versions[0]).not.toBe(versions[1]);
  });
});

describe("uploads", () => {
  const works = async () => ({ code: "/code", site: [] });
  const open = (build: () => Promise<Built> = works) =>
    openUploads({
      stateDir: folder,
      crunchId: "c",
      builder: { stored: async () => null, build },
      trial: async () => null,
      log: () => () => undefined,
      taken: (id) => id === "u1",
      onChange: () => undefined,
      logger: quiet,
    });
  test("an id of the file and one that was removed are not given; the registry is whole after each change", async () => {
    const first = await open();
    const { id } = await first.add({ submission: "s", desired_state: "RUNNING" });
    expect(id).toBe("u2");
    await first.remove(id);
    expect(await first.change(id, { model_name: "x" })).toBeUndefined();
    await first.idle();
    const second = await open();
    expect(second.list()).toEqual([]);
    expect((await second.add({ submission: "s", desired_state: "STOPPED" })).id).toBe("u3");
    await second.idle();
    expect(second.find("u3")?.build.state).toBe("SUCCESS");
    const third = await open();
    expect(third.find("u3")?.model.built).toBe("s");
    await third.idle();
  });

  test("a failed build leaves the version before; the same files again are another try", async () => {
    let fails = false;
    const uploads = await open(async () => {
      if (fails) throw new UploadError("no index today");
      return works();
    });
    const { id } = await uploads.add({ submission: "one", desired_state: "RUNNING" });
    await uploads.idle();
    fails = true;
    await uploads.change(id, { submission: "two" });
    await uploads.idle();
    expect(uploads.find(id)).toMatchObject({
      model: { submission: "two", built: "one" },
      build: { state: "FAILED", failure: { code: "BUILD_FAILED" }, message: "no index today" },
      ready: { code: "/code" },
    });
    fails = false;
    await uploads.change(id, { submission: "two" });
    await uploads.idle();
    expect(uploads.find(id)).toMatchObject({ model: { built: "two" }, build: { state: "SUCCESS", failure: null } });
  });

  test("a broken registry stops the start instead of losing models", async () => {
    writeFileSync(join(folder, "uploaded-models.json"), "{}");
    await expect(open()).rejects.toThrow(/uploaded-models\.json cannot be understood/);
  });
});

describe("logs", () => {
  test("what is new in a log whose beginning moves", () => {
    expect(newText("", "a")).toBe("a");
    expect(newText("ab", "abc")).toBe("c");
    const long = Array.from({ length: 2_000 }, (_, i) => `line ${i}\n`).join("");
    expect(newText(long, `${long.slice(5_000)}new`)).toBe("new");
    expect(newText(long, "quite another text")).toMatch(/text was lost.*\nquite another text/s);
  });

  test("only what is there is read, whatever a job is called", () => {
    const logs = openLogs({
      stateDir: folder,
      live: async () => undefined,
      isRunning: () => false,
      isBuilding: () => false,
    });
    logs.beginBuild("u1_abc")("text");
    writeFileSync(join(folder, "secret.log"), "secret");
    const how = { follow: false, fromStart: true, signal: AbortSignal.timeout(5_000) };
    expect(logs.read("builder", "u1_abc", how)).not.toBeNull();
    for (const job of ["../../secret", "..%2f..%2fsecret", "/etc/passwd", "", "u1_ab"])
      expect(logs.read("builder", job, how)).toBeNull();
    expect(() => logs.beginBuild("../x")).toThrow(/no name for a log/);
  });
});
