import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError, environment, readConfig } from "../config.ts";
import { schema } from "../settings.ts";
import { PROFILE, readLocalSettings } from "./settings.ts";

const ROOT = resolve(import.meta.dirname, "..");
const home = process.cwd();
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "almanac-settings-"));
  process.chdir(dir);
});
afterEach(() => {
  process.chdir(home);
  rmSync(dir, { recursive: true, force: true });
});

test("the documented defaults", () => {
  expect(readConfig({})).toMatchObject({
    CRUNCH_ID: "starter-challenge",
    NETWORK: "DEVNET",
    MODEL_BASE_CLASSNAME: "tracker.TrackerBase",
    MODEL_RUNNER_NODE_HOST: "model-orchestrator",
    MODEL_RUNNER_NODE_PORT: 9091,
    MODEL_RUNNER_TIMEOUT_SECONDS: 60,
    FEED_SOURCE: "pyth",
    FEED_SUBJECTS: ["BTC"],
    CHECKPOINT_INTERVAL_SECONDS: 604_800,
  });
});

test("what `npm start` changes, all in one visible file", () => {
  expect(parseEnv(readFileSync(join(ROOT, PROFILE), "utf8"))).toEqual({
    NETWORK: "LOCAL",
    DEV_CHAIN_SLOT_MS: "100",
    DEV_CHAIN_FINAL_AFTER_SLOTS: "32",
    FEED_SOURCE: "replay",
    FEED_SUBJECTS: "SP500",
    FEED_KIND: "candle",
    FEED_GRANULARITY: "1s",
    FEED_BACKFILL_MINUTES: "5",
    COMPETITION: "competitions/realtime/competition.ts",
    MODELS_FILE: "competitions/realtime/models.yaml",
    MODEL_RUNNER_NODE_HOST: "127.0.0.1",
    MODEL_RUNNER_TIMEOUT_SECONDS: "2",
    SCORE_INTERVAL_SECONDS: "10",
    CHECKPOINT_INTERVAL_SECONDS: "120",
  });
});

test("every setting of the profile exists", () => {
  const names = Object.keys(parseEnv(readFileSync(join(ROOT, PROFILE), "utf8")));
  expect(names.filter((name) => !(name in schema.shape))).toEqual([]);
});

test("environment, then .env, then node/.local.env, then the profile", () => {
  writeFileSync(".env", "FEED_SOURCE=from-dotenv\nFEED_SUBJECTS=B\nLOG_LEVEL=warn\n");
  mkdirSync("node");
  writeFileSync("node/.local.env", "FEED_SUBJECTS=C\nCRUNCH_ID=from-local\nNETWORK=TESTNET\n");
  const { config, isExplicit } = readLocalSettings(ROOT, { FEED_SOURCE: "from-environment" });
  expect(config).toMatchObject({
    FEED_SOURCE: "from-environment",
    FEED_SUBJECTS: ["B"],
    CRUNCH_ID: "from-local",
    NETWORK: "TESTNET",
  });
  expect(config).toMatchObject({ LOG_LEVEL: "warn", CHECKPOINT_INTERVAL_SECONDS: 120 });
  expect(isExplicit("CRUNCH_ID")).toBe(true);
  expect(isExplicit("CHECKPOINT_INTERVAL_SECONDS")).toBe(false);
});

test("without `npm start` the profile does not count", () => {
  expect(readConfig(environment(undefined, {})).NETWORK).toBe("DEVNET");
});

test("wrong settings are named all at once, each with what is expected", () => {
  const read = () => readLocalSettings(ROOT, { REPORT_API_PORT: "99999", NETWORK: "MOON", CRUNCH_ID: "Bad Name" });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/3 setting\(s\)[\s\S]*CRUNCH_ID=Bad Name[\s\S]*NETWORK=MOON[\s\S]*REPORT_API_PORT=99999/);
});
