import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { historyFromJSON } from "@temporalio/common/lib/proto-utils.js";
import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { workflowBundle } from "../../workers/bundle.ts";

const FOLDER = join(import.meta.dirname, "..", "histories");
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
const TYPES = [
  "predictionRound",
  "scoringWindow",
  "emissionCheckpoint",
  "reconcile",
  "startWindows",
  "startCheckpoints",
  "backfill",
  "rescore",
  "retention",
  "tournamentRound",
];

let bundle: { codePath: string };
beforeAll(async () => {
  bundle = await workflowBundle(join(tmpdir(), `almanac-replay-${process.pid}.js`));
}, 120_000);
afterAll(() => rmSync(bundle.codePath, { force: true }));

type Json = { events: Record<string, Record<string, unknown>>[] };
const read = (file: string): Json => JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Json;

/** The error with which today's workflow code refuses a history; undefined: it replays. */
async function refusal(history: Json, workflowId: string): Promise<Error | undefined> {
  const one = [{ workflowId, history: historyFromJSON(history) }];
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: bundle }, one)) return error;
  throw new Error("nothing was replayed");
}

describe("recorded histories replay on today's workflows", () => {
  test("one history per type at least", () => {
    expect([...new Set(files.map((file) => file.split(".")[0]))].sort()).toEqual([...TYPES].sort());
  });

  test.each(files)("%s", async (file) => {
    expect(await refusal(read(file), file)).toBeUndefined();
  });
});

describe("an altered history is refused", () => {
  test.each(files)("%s", async (file) => {
    const history = read(file);
    const scheduled = history.events.find(
      (e) => e.activityTaskScheduledEventAttributes,
    )?.activityTaskScheduledEventAttributes;
    expect(scheduled, "there is an activity to alter").toBeDefined();
    Object.assign(scheduled!, { activityType: { name: "somethingElse" } });
    expect(await refusal(history, file)).toMatchObject({ name: "DeterminismViolationError" });
  });
});
