import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Competition } from "../../../competitions/competition.ts";
import type { Database } from "../../../db/database.ts";
import { type Answers, MINUTE_MS, type ScoringWorld, T0, testCompetition } from "./world.ts";

export const MODELS = ["a", "b", "c", "d", "e", "twin-1", "twin-2"];
export const ROUNDS = 36;
const EVERY_MS = 10_000;
export const SCOPES = ["X-20", "Y-20"];

/** Fractions that no sum of doubles adds up exactly; two models always say the same; some do not answer. */
const answers: Answers = (model, i, scope) => {
  const seed = model.startsWith("twin") ? "twin" : model;
  const unit = createHash("sha256").update(`${seed}/${i}/${scope}`).digest().readUInt32BE() / 2 ** 32;
  if (!model.startsWith("twin") && unit < 0.08) return unit < 0.04 ? "TIMEOUT" : "FAILED";
  return { value: (unit - 0.5) / 3 };
};

export const contract = (): Competition =>
  testCompetition({
    metrics: ["ic", "mean_return", "max_drawdown", "model_correlation", "ensemble_correlation", "contribution"],
    windows: [
      { name: "short", hours: 0.05 },
      { name: "long", hours: 24 },
    ],
    ranking: { key: "long", direction: "desc" },
    ensembles: [
      { name: "all", strategy: "equal_weight" },
      { name: "sure", strategy: "inverse_variance", filter: { kind: "top_n", n: 3 } },
    ],
  });

export const collectStory = (world: ScoringWorld): Promise<string[]> =>
  world.collect({ models: MODELS, from: 0, count: ROUNDS, everyMs: EVERY_MS, answers, scopes: SCOPES });

const LASTS_MS = 7 * MINUTE_MS;

/** The story's scoring windows, each with the rounds that resolve in it. */
export const windowsOf = (rounds: readonly string[], windowMs: number) =>
  Array.from({ length: LASTS_MS / windowMs }, (_, k) => {
    const span = { startMs: T0 + k * windowMs, endMs: T0 + (k + 1) * windowMs };
    const resolveMs = (id: string): number => Number(id.split("/").at(-1)) + 20_000;
    return { span, due: rounds.filter((id) => resolveMs(id) >= span.startMs && resolveMs(id) < span.endMs) };
  });

/** Every byte that says what happened; times of storing apart. */
export async function record(db: Database): Promise<string> {
  const parts = await Promise.all([
    sql`select id, model_id, result_jsonb, value, predicted, actual, success, failed_reason, window_end, current from scores
      order by id collate "C"`.execute(db),
    sql`select id, status, reason, inference_output_jsonb, meta_jsonb from predictions order by id collate "C"`.execute(
      db,
    ),
    sql`select id, content_hash, result_summary_jsonb from snapshots order by id collate "C"`.execute(db),
    sql`select id, entries_jsonb from leaderboards order by id`.execute(db),
    sql`select id, chained_root from merkle_cycles order by id`.execute(db),
    sql`select name, from_at, weights_jsonb from ensemble_weights order by name, from_at`.execute(db),
  ]);
  return JSON.stringify(parts.map((p) => p.rows));
}
