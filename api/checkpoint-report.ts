import type { ListedCheckpoint } from "../db/checkpoints.ts";
import type { ReportedCheckpoint } from "../domain/checkpoint-reports.ts";
import type { PeerCheckpoint } from "../domain/compat/checkpoints.ts";
import { emission } from "./contract/checkpoints.ts";
import { toIso } from "./contract/common.ts";
import { conflict } from "./problem.ts";
import { sealedMeta } from "./sealed-meta.ts";

/** A row as its reports read it. */
export function reportedOf(row: ListedCheckpoint): ReportedCheckpoint {
  const { ranking, recipients } = sealedMeta.parse(row.meta_jsonb);
  const parsed = emission.safeParse(row.emission_jsonb);
  const period = { periodStart: toIso(row.period_start), periodEnd: toIso(row.period_end) };
  return { id: row.id, ...period, ranking, recipients, emission: parsed.success ? parsed.data : null };
}

/** One that waits for a missing recipient has no emission yet. Throws ApiError 409. */
export function paidOf(
  row: ListedCheckpoint,
): ReportedCheckpoint & { emission: NonNullable<ReportedCheckpoint["emission"]> } {
  const reported = reportedOf(row);
  if (reported.emission === null) throw conflict(`${row.id} has no emission yet: ${row.cause ?? row.phase}`);
  return { ...reported, emission: reported.emission };
}

/** The same as the public node would have it: rewards by place of the ranking, not by the chain's index. */
export function asPeerCheckpoint(
  { status, meta_jsonb }: ListedCheckpoint,
  reported: ReportedCheckpoint,
): PeerCheckpoint {
  const { id, periodStart, periodEnd, emission: paid } = reported;
  const { ranking } = sealedMeta.parse(meta_jsonb);
  const cruncher_rewards = ranking.map((m, cruncher_index) => ({ cruncher_index, reward_pct: m.reward_frac64 }));
  return {
    ...{ id, period_start: periodStart, period_end: periodEnd, status },
    entries: paid ? [{ ...paid, cruncher_rewards }] : [],
    meta: { ranking },
  };
}
