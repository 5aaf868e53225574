import type { ScoringWorld } from "../scoring/world.ts";

export const scoresBy = async (of: ScoringWorld, hash: string) =>
  of.db
    .selectFrom("scores")
    .selectAll()
    .where("scorer_hash", "=", hash)
    .orderBy("due_at")
    .orderBy("model_id")
    .execute();
export const boardOf = async (of: ScoringWorld) =>
  (await of.board()).map(({ model_id, rank, score, by_scope, prediction_count, missed }) => ({
    ...{ model_id, rank, score, by_scope, prediction_count, missed },
  }));
