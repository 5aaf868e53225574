import { type EmissionContract, rewardsByContract } from "../competitions/emission.ts";
import type { ListedCheckpoint } from "../db/checkpoints.ts";
import { lastPeriodEnd } from "../db/checkpoints.ts";
import { firstWindowStart, snapshotsOfPeriod } from "../db/period-snapshots.ts";
import { ruleProblems } from "../domain/emission/check.ts";
import { EmissionRefused } from "../domain/emission/custom.ts";
import { type EmissionRule, rewardsOf, type SealedRule } from "../domain/emission/rule.ts";
import { compareEmissions, withoutNamed } from "../domain/emission/what-if.ts";
import { type Contender, type Ranked, type Rewarded, rank } from "../domain/emission.ts";
import type { Period } from "../domain/period.ts";
import { PeriodMeans } from "../domain/period-means.ts";
import { rankedField } from "../domain/ranked-field.ts";
import type { WhatIfAnswer, WhatIfBody } from "./contract/what-if.ts";
import type { ApiDeps } from "./deps.ts";
import { ApiError, conflict, notFound } from "./problem.ts";
import { sealedMeta } from "./sealed-meta.ts";

/** What a change is compared with. */
interface Baseline {
  checkpoint: string | null;
  period: Period;
  rankedBy: { field: string; direction: "asc" | "desc" };
  /** null: nothing was decided */
  rule: SealedRule | null;
  rewarded: Rewarded[];
}

/** A week of 500 models; more would hold the answer for minutes. */
const MOST_SNAPSHOTS = 1_000_000;
const invalid = (message: string): ApiError => new ApiError(422, "invalid", message);

type Deps = Pick<ApiDeps, "db" | "competition" | "now">;

/** The emission of a sealed period by other rules, over fewer models or a part of its time. Stores nothing. */
export async function whatIfSealed(deps: Deps, row: ListedCheckpoint, change: WhatIfBody): Promise<WhatIfAnswer> {
  const { ranking, ranked_by, emission_rule } = sealedMeta.parse(row.meta_jsonb);
  const contract = deps.competition.competition;
  const { field, direction } = ranked_by ?? { field: rankedField(contract), ...contract.ranking };
  const baseline: Baseline = {
    ...{ checkpoint: row.id, rankedBy: { field, direction }, rule: emission_rule ?? null },
    period: { startMs: row.period_start.getTime(), endMs: row.period_end.getTime() },
    rewarded: ranking.map((m) => ({
      ...{ modelId: m.model_id, modelName: m.model_name, cruncherId: m.cruncher_id, cruncherName: m.cruncher_name },
      ...{ value: m.value, predictionCount: m.prediction_count, snapshotCount: m.snapshot_count },
      ...{ summary: m.result_summary, rank: m.rank, frac64: m.reward_frac64 },
    })),
  };
  return changed(deps, baseline, change);
}

/** The same for the time that no checkpoint has yet, or the part of it that `from` and `to` name, as it would be sealed now. */
export async function whatIfOpen(deps: Deps, { from, to, ...change }: WhatIfBody): Promise<WhatIfAnswer> {
  const { db, competition, now = Date.now } = deps;
  const contract = competition.competition;
  const began = (await lastPeriodEnd(db)) ?? (await firstWindowStart(db));
  if (began === null) throw notFound("no scoring window yet: nothing can be ranked");
  const period = { startMs: (from ?? began).getTime(), endMs: to?.getTime() ?? now() };
  if (period.startMs >= period.endMs) throw invalid("from: must be before to");
  const rankedBy = { field: rankedField(contract), direction: contract.ranking.direction };
  const contenders = await contendersIn(deps, period, rankedBy.field);
  const made = await rewarding(contract, rank(contenders, rankedBy.direction));
  return changed(deps, { checkpoint: null, period, rankedBy, ...made }, change);
}

async function changed(deps: Deps, baseline: Baseline, change: WhatIfBody): Promise<WhatIfAnswer> {
  const { period, rankedBy } = baseline;
  const part = partOf(period, change);
  const contenders: readonly Contender[] = part
    ? await contendersIn(deps, part, rankedBy.field)
    : baseline.rewarded.map(({ rank: _, frac64: __, ...contender }) => contender);
  const { kept, unknown } = withoutNamed(contenders, change.exclude ?? []);
  if (unknown.length > 0) throw invalid(`exclude: no ranked model or cruncher is called ${unknown.join(", ")}`);
  const ranking = rank(kept, rankedBy.direction);
  const sameRanking = !part && kept.length === contenders.length;
  const after = await rewardingAfter(deps.competition.competition, { baseline, change, ranking, sameRanking });
  return answerOf(baseline, part ?? period, after);
}

/** The part of the period that was asked for; null: all of it. */
function partOf(period: Period, { from, to }: WhatIfBody): Period | null {
  const part = { startMs: from?.getTime() ?? period.startMs, endMs: to?.getTime() ?? period.endMs };
  if (part.startMs === period.startMs && part.endMs === period.endMs) return null;
  if (part.startMs >= period.startMs && part.startMs < part.endMs && part.endMs <= period.endMs) return part;
  const [start, end] = [period.startMs, period.endMs].map((ms) => new Date(ms).toISOString());
  throw invalid(`from and to: must lie inside the period, ${start} to ${end}, from before to`);
}

async function contendersIn({ db }: Deps, { startMs, endMs }: Period, field: string): Promise<Contender[]> {
  const means = new PeriodMeans();
  for await (const page of snapshotsOfPeriod(db, startMs, endMs)) {
    for (const snapshot of page) means.add(snapshot);
    if (means.snapshots > MOST_SNAPSHOTS)
      throw invalid(`more than ${MOST_SNAPSHOTS} snapshots: ask for less time with from and to`);
  }
  return means.contenders(field);
}

interface Asked {
  baseline: Baseline;
  change: WhatIfBody;
  ranking: readonly Ranked[];
  sameRanking: boolean;
}

/** A rule that was named, else the one that sealed; a contract's own function is asked again where the ranking is another. */
async function rewardingAfter(contract: EmissionContract, { baseline, change, ranking, sameRanking }: Asked) {
  const named = ruleIn(change);
  if (named) return rewarding({ emission: named }, ranking);
  const { rule } = baseline;
  if (rule === null || (rule.strategy === "custom" && !sameRanking)) return rewarding(contract, ranking);
  return { rule, rewarded: rewardsOf(rule, ranking) };
}

/** null: none was named. Throws ApiError 422. */
function ruleIn({ strategy, tiers, weights, min_percent }: WhatIfBody): EmissionRule | null {
  const byContribution = weights !== undefined || min_percent !== undefined;
  if (tiers && byContribution)
    throw invalid("tiers: belong to the strategy tier, weights and min_percent to contribution_weighted");
  const asked = strategy ?? (tiers ? "tier" : byContribution ? "contribution_weighted" : null);
  if (asked === null) return null;
  if ((asked === "tier" && byContribution) || (asked === "contribution_weighted" && tiers))
    throw invalid(`strategy: ${asked} takes ${asked === "tier" ? "tiers" : "weights and min_percent"} only`);
  const rule: EmissionRule =
    asked === "tier"
      ? { strategy: asked, ...(tiers ? { tiers } : {}) }
      : {
          strategy: asked,
          ...(weights ? { weights } : {}),
          ...(min_percent === undefined ? {} : { minPercent: min_percent }),
        };
  const problems = ruleProblems(rule);
  if (problems.length > 0) throw invalid(problems.map(({ where, what }) => `${where}: ${what}`).join("; "));
  return rule;
}

async function rewarding(contract: EmissionContract, ranking: readonly Ranked[]) {
  try {
    return await rewardsByContract(contract, ranking);
  } catch (error) {
    if (!(error instanceof EmissionRefused)) throw error;
    throw conflict(`${error.message}; name a strategy to see another one's shares`);
  }
}

function answerOf(baseline: Baseline, part: Period, after: { rule: SealedRule; rewarded: Rewarded[] }): WhatIfAnswer {
  const { crunchers, models } = compareEmissions(baseline.rewarded, after.rewarded);
  return {
    checkpoint: baseline.checkpoint,
    ...{ from: new Date(part.startMs).toISOString(), to: new Date(part.endMs).toISOString() },
    ranked_by: baseline.rankedBy,
    rule: { before: baseline.rule && { ...baseline.rule }, after: { ...after.rule } },
    crunchers: crunchers.map((c) => ({
      ...{ cruncher_id: c.cruncherId, cruncher_name: c.cruncherName },
      frac64: { before: String(c.before), after: String(c.after), difference: String(c.difference) },
    })),
    models: models.map((m) => ({
      ...{ model_id: m.modelId, model_name: m.modelName, cruncher_id: m.cruncherId, rank: m.rank, value: m.value },
      frac64: { before: String(m.before), after: String(m.after) },
    })),
  };
}
