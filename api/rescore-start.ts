import { randomUUID } from "node:crypto";
import type { z } from "zod";
import type { Database } from "../db/database.ts";
import { insertRescore, type RescoreRow } from "../db/rescore.ts";
import { rescoreProgress } from "../domain/rescore.ts";
import { toIso, toIsoOrNull } from "./contract/common.ts";
import type { rescoreBody, rescoreJob } from "./contract/rescore.ts";
import { ApiError, conflict } from "./problem.ts";

/** Writes the job of what is asked, as far as it is past. Throws 422 for a range without anything, 409 where a job is open. */
export async function createRescore(
  db: Database,
  { from, to, actor }: z.output<typeof rescoreBody>,
  scorerHash: string,
  nowMs: number,
): Promise<RescoreRow> {
  const [fromMs, toMs] = [from.getTime(), Math.min(to.getTime(), nowMs)];
  if (from >= to) throw invalid(`from ${toIso(from)} must be before to ${toIso(to)}`);
  if (fromMs >= toMs) throw invalid(`nothing after ${toIso(from)} was due yet`);
  const answer = await insertRescore(db, { id: randomUUID(), fromMs, toMs, scorerHash, actor });
  if ("created" in answer) return answer.created;
  const { id, status } = answer.holder;
  throw conflict(`rescore job ${id} is ${status}, and there is one at a time: wait for it, or cancel it`);
}

const invalid = (message: string): ApiError => new ApiError(422, "invalid", message);

export const rescoreJobOf = (row: RescoreRow): z.infer<typeof rescoreJob> => ({
  id: row.id,
  from: toIso(row.from_at),
  to: toIso(row.to_at),
  scorer_hash: row.scorer_hash,
  status: row.status,
  progress_pct: rescoreProgress(row.status, row.counts_jsonb),
  rounds: row.counts_jsonb.rounds,
  scores: row.counts_jsonb.scores,
  refused: row.counts_jsonb.refused,
  adopting: row.status === "ready" && row.adopt_actor !== null,
  adopted: row.counts_jsonb.adopted,
  sealed: row.counts_jsonb.sealed,
  actor: row.actor,
  adopt_actor: row.adopt_actor,
  adopt_reason: row.adopt_reason,
  error: row.error,
  created_at: toIso(row.created_at),
  updated_at: toIso(row.updated_at),
  adopted_at: toIsoOrNull(row.adopted_at),
});

/** Why a job cannot be adopted now, as its row says; null: it can be asked for. */
export function adoptionRefusal({ status, adopt_actor, diff_jsonb: diff }: RescoreRow): string | null {
  if (status !== "ready") return `a job that is ${status} cannot be adopted`;
  if (adopt_actor !== null) return `${adopt_actor} has asked for its adoption already`;
  if (diff?.replaceable === 0)
    return "nothing to adopt: the scores that count are this scorer's already, or there are none";
  if (diff && diff.replaceable === diff.sealed)
    return `nothing to adopt: all ${diff.sealed} scores stand in sealed checkpoints (${diff.checkpoints.join(", ")})`;
  return null;
}
