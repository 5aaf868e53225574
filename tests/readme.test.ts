import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsTable } from "../config.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, "..", name), "utf8");
const tableIn = (text: string): string | undefined =>
  /<!-- settings -->\n([\s\S]*)\n<!-- \/settings -->/.exec(text)?.[1];
/** Of runners that serve models elsewhere, of proofs of identity, of named callables and of upkeep: docs/settings.md has them. */
const ELSEWHERE =
  /^\| (RUNNER_(?!PORT)|GRPC_|CODE_DIRECTORY|RESOURCE_DIRECTORY|MAIN_FILE|HAS_GPU|SECURE_|GATEWAY_|SCORING_FUNCTION|INFERENCE_|GROUND_TRUTH_|MODEL_SCORE_|LEADERBOARD_RANKER|EMISSION_BUILDER|CALLABLE_|BACKFILL_|\w+_TTL_DAYS|FEED_RETENTION_|SIGNER_|SUBMISSION_LIFETIME|SOLANA_NONCE|SOLANA_RPC_URL_2|PRIORITY_FEE_|EVIDENCE_DIR|OBJECTION_|CHAIN_INDEX_|PUBLIC_URL)/;

test("the table of all settings is the schema's", () => {
  expect(tableIn(read("docs/settings.md"))).toBe(settingsTable());
});

test("the README's table is the schema's, without what few need", () => {
  const rows = settingsTable()
    .split("\n")
    .filter((row) => !ELSEWHERE.test(row));
  expect(tableIn(read("README.md"))).toBe(rows.join("\n"));
});

test("the README stays short", () => expect(read("README.md").split("\n").length).toBeLessThan(120));
