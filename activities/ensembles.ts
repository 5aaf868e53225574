import type { Logger } from "pino";
import type { Competition, EnsembleRule, Scope } from "../competitions/competition.ts";
import type { Database, Queryable } from "../db/database.ts";
import {
  dropWeights,
  type EnsembleRound,
  type EnsembleRow,
  ensembleRounds,
  errorStates,
  recordVirtualModels,
  storeEnsembleRows,
  storeErrorStates,
  storeWeights,
  type WeightRow,
  weightsSince,
} from "../db/ensembles.ts";
import type { LeaderboardEntryRow } from "../db/schema.ts";
import type { CountedScore } from "../db/window-scores.ts";
import {
  addError,
  combineOutputs,
  type ErrorState,
  ensembleModelId,
  equalWeights,
  inverseVarianceWeights,
  isEnsembleModel,
  membersOf,
  NO_ERRORS,
  type ScopeErrors,
  type Weights,
} from "../domain/ensembles.ts";
import { predictionId } from "../domain/ids.ts";
import { inScoreOrder } from "../proofs/records.ts";
import { asJson } from "./as-json.ts";
import { leavesOfRound } from "./score-leaf.ts";
import { type Answered, type ScoringRules, scoreAnswered } from "./scorer.ts";
import type { WindowSpan } from "./snapshots.ts";

/** Rounds whose outputs are held at once. */
const CHUNK = 200;
const HOUR_MS = 3_600_000;

interface EnsembleDeps extends ScoringRules {
  db: Database;
  log: Logger;
}

/**
 * Ensembles' answers and scores in the rounds that the window is about to count. A round is weighed with what was known when it was due: the
 * weights that the last window before it left. So the answers depend on nothing but rows, and no ensemble sees what comes. Run again, it
 * finds what it stored.
 */
export async function scoreEnsembles(deps: EnsembleDeps, { endMs }: WindowSpan): Promise<void> {
  const rules = deps.competition.ensembles ?? [];
  if (rules.length === 0) return;
  await recordVirtualModels(
    deps.db,
    rules.map(({ name }) => ({ id: ensembleModelId(name), name })),
  );
  let after = { due: new Date(0), id: "" };
  for (;;) {
    const rounds = await ensembleRounds(deps.db, new Date(endMs), after, CHUNK);
    if (rounds.length === 0) return;
    await storeEnsembleRows(deps.db, await rowsOf(deps, rules, rounds));
    after = { due: rounds.at(-1)!.due_at, id: rounds.at(-1)!.id };
  }
}

async function rowsOf(
  deps: EnsembleDeps,
  rules: readonly EnsembleRule[],
  rounds: readonly EnsembleRound[],
): Promise<EnsembleRow[]> {
  const names = rules.map((r) => r.name);
  const weights = await weightsSince(deps.db, names, rounds[0]!.due_at);
  const made = rounds.flatMap((round) => rules.flatMap((rule) => answerOf(deps, rule, round, weights)));
  const scores = await scoreAnswered(
    deps,
    made.map((m) => m.answered),
  );
  return made.flatMap(({ answered, ...row }, i) => {
    const score = scores[i]!;
    const said = { ...answered.prediction, status: "PENDING", reason: null };
    if (!score.deadLetter) return [{ ...row, score, leaf: leavesOfRound(row.round, [said]) }];
    deps.log.warn({ round: row.round.id, ensemble: score.modelId, error: score.failedReason }, "ensemble not scored");
    return [];
  });
}

/** None where no weights were known yet, no member answered, or what they said cannot be combined. */
function answerOf(
  { competition, log }: EnsembleDeps,
  { name }: EnsembleRule,
  round: EnsembleRound,
  weights: readonly WeightRow[],
): (Omit<EnsembleRow, "score" | "leaf"> & { answered: Answered })[] {
  const known = weights.findLast((w) => w.name === name && w.from_at <= round.due_at);
  if (!known) return [];
  const combined = combineOutputs(new Map(Object.entries(round.outputs)), new Map(Object.entries(known.weights_jsonb)));
  if (combined === null) return [];
  const output = competition.output.safeParse(combined);
  const modelId = ensembleModelId(name);
  if (!output.success) {
    log.warn({ round: round.id, ensemble: modelId, error: output.error.message }, "ensemble's output is refused");
    return [];
  }
  const prediction = {
    id: predictionId(round.id, modelId),
    model_id: modelId,
    deployment_id: "",
    inference_output_jsonb: asJson(output.data) as Record<string, unknown>,
  };
  return [
    {
      round,
      configId: `CFG_${round.scope_key}`,
      output: output.data,
      weights: known.weights_jsonb,
      answered: { prediction, truth: round.truth, scope: round.scope_jsonb as Scope },
    },
  ];
}

/** Weights for the rounds that are due from this window's end: by the errors that windows have counted, and by its board. */
export async function renewWeights(
  tx: Queryable,
  competition: Competition,
  { endMs }: WindowSpan,
  counted: readonly CountedScore[],
  board: readonly LeaderboardEntryRow[],
): Promise<void> {
  const rules = competition.ensembles ?? [];
  if (rules.length === 0) return;
  const errors = rules.some((r) => r.strategy === "inverse_variance") ? await foldErrors(tx, counted, competition) : [];
  const candidates = board.map((entry) => ({
    modelId: entry.model_id,
    rankingValue: entry.score.ranking.value,
    metrics: entry.score.metrics,
  }));
  for (const { name, strategy, filter } of rules) {
    const members = membersOf(candidates, filter, competition.ranking.direction);
    const inverse = competition.compat ? peerWeights : inverseVarianceWeights;
    const weights = strategy === "equal_weight" ? equalWeights(members) : inverse(members, errors);
    await storeWeights(tx, name, new Date(endMs), Object.fromEntries(weights));
  }
  const longest = Math.max(...competition.windows.map((w) => w.hours));
  await dropWeights(tx, new Date(endMs - 2 * longest * HOUR_MS));
}

const NO_VARIANCE = 1e-12;

/** As the public node weighs: by the variance of what a model says, of all its scopes together; 1 for one that always says the same. */
function peerWeights(members: readonly string[], said: readonly ScopeErrors[]): Weights {
  const raw = members.map((id): [string, number] => {
    const own = pooled(said.filter((s) => s.modelId === id));
    return [id, own.n < 2 || own.m2 / own.n < NO_VARIANCE ? 1 : own.n / own.m2];
  });
  const total = raw.reduce((sum, [, weight]) => sum + weight, 0);
  return new Map(raw.map(([id, weight]) => [id, weight / total]));
}

/** Statistics of several lists as of one (Chan, Golub and LeVeque 1979). */
const pooled = (parts: readonly ErrorState[]): ErrorState =>
  parts.reduce<ErrorState>((a, b) => {
    const n = a.n + b.n;
    const delta = b.mean - a.mean;
    return n === 0 ? a : { n, mean: a.mean + (delta * b.n) / n, m2: a.m2 + b.m2 + (delta * delta * a.n * b.n) / n };
  }, NO_ERRORS);

/** Adds the errors of newly counted scores to the running statistics, in order of time; never reads an older score. */
async function foldErrors(
  tx: Queryable,
  counted: readonly CountedScore[],
  { compat }: Competition,
): Promise<ScopeErrors[]> {
  const states = new Map(
    (await errorStates(tx)).map(({ scope_key, model_id, ...state }) => [
      JSON.stringify([scope_key, model_id]),
      { scopeKey: scope_key, modelId: model_id, ...state },
    ]),
  );
  const changed = new Set<string>();
  for (const s of counted.toSorted(inScoreOrder)) {
    if (!s.success || s.predicted === null || s.actual === null || isEnsembleModel(s.model_id)) continue;
    if (s.counted_before) continue; // another scorer judges the same errors
    const key = JSON.stringify([s.scope_key, s.model_id]);
    const before = states.get(key) ?? { scopeKey: s.scope_key, modelId: s.model_id, ...NO_ERRORS };
    states.set(key, { ...before, ...addError(before, s.predicted - (compat ? 0 : s.actual)) });
    changed.add(key);
  }
  const rows = [...changed].map((key) => states.get(key)!);
  await storeErrorStates(
    tx,
    rows.map(({ scopeKey, modelId, ...state }) => ({ scope_key: scopeKey, model_id: modelId, ...state })),
  );
  return [...states.values()].sort((a, b) => compare(a.scopeKey, b.scopeKey) || compare(a.modelId, b.modelId));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
