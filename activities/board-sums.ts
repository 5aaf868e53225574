import type { Competition } from "../competitions/competition.ts";
import type { Queryable } from "../db/database.ts";
import type { FormerDeployment } from "../db/schema.ts";
import { type SpanSum, sumsSince } from "../db/score-sums.ts";
import { type ModelHistory, rankingHours, type WindowSum } from "../domain/leaderboard.ts";

const HOUR_MS = 3_600_000;

/** What the board needs of every model, from sums alone. */
export interface BoardSums {
  histories: Omit<ModelHistory, "metrics">[];
  /** rounds of the longest window without a valid answer, by model */
  missed: ReadonlyMap<string, number>;
  /** model → the deployment whose scores count; null: all of them */
  counting: ReadonlyMap<string, string> | null;
  /** standings of the deployments before, by model, where the contract splits them */
  former: ReadonlyMap<string, FormerDeployment[]>;
}

type WindowRows = ReadonlyMap<string, readonly SpanSum[]>;

/**
 * Sums per model over the contract's windows. keep: all deployments of a model are one history. reset: only its newest deployment counts.
 * split: the same, and what the others reached is listed beside it.
 */
export async function boardSums(tx: Queryable, competition: Competition, endMs: number): Promise<BoardSums> {
  const policy = competition.onNewDeployment ?? "keep";
  const rows = new Map<string, SpanSum[]>();
  for (const w of competition.windows)
    rows.set(w.name, await sumsSince(tx, new Date(endMs - w.hours * HOUR_MS), policy !== "keep"));
  const widest = rows.get(competition.windows.reduce((a, b) => (b.hours > a.hours ? b : a)).name)!;
  const counting = policy === "keep" ? null : newestDeployments(widest);
  const counts = (r: SpanSum): boolean => counting === null || counting.get(r.model_id) === r.deployment_id;
  const own = Map.groupBy(widest.filter(counts), (r) => r.model_id);
  const askedSince = await rankingRows(tx, competition, endMs, rows, policy !== "keep");
  return {
    histories: [...own].map(([modelId, mine]) => ({
      modelId,
      scopes: scopesOf(rows, (r) => r.model_id === modelId && counts(r)),
      firstMs: Math.min(...mine.map((r) => r.first_at.getTime())),
      ...participation(askedSince.filter((r) => r.model_id === modelId && counts(r))),
    })),
    missed: new Map([...own].map(([id, mine]) => [id, mine.reduce((n, r) => n + r.asked - r.answered, 0)])),
    counting,
    former: policy === "split" ? formerOf(rows, widest, counts) : new Map(),
  };
}

/** The ranking window's rows; `overall` and metrics look at the window that decides them. */
async function rankingRows(
  tx: Queryable,
  competition: Competition,
  endMs: number,
  rows: WindowRows,
  byDeployment: boolean,
): Promise<readonly SpanSum[]> {
  const hours = rankingHours(competition);
  const window = competition.windows.find((w) => w.hours === hours);
  return window ? rows.get(window.name)! : sumsSince(tx, new Date(endMs - hours * HOUR_MS), byDeployment);
}

const participation = (rows: readonly SpanSum[]): { asked: number; answered: number } => ({
  asked: rows.reduce((n, r) => n + r.asked, 0),
  answered: rows.reduce((n, r) => n + r.answered, 0),
});

/** By what was scored last: the same rows give the same answer, whatever has been deployed since. */
function newestDeployments(rows: readonly SpanSum[]): ReadonlyMap<string, string> {
  const newest = new Map<string, SpanSum>();
  for (const row of rows) {
    const known = newest.get(row.model_id);
    if (!known || isNewer(row, known)) newest.set(row.model_id, row);
  }
  return new Map([...newest].map(([modelId, row]) => [modelId, row.deployment_id]));
}
const isNewer = (a: SpanSum, b: SpanSum): boolean =>
  a.last_at.getTime() - b.last_at.getTime() > 0 ||
  (a.last_at.getTime() === b.last_at.getTime() &&
    (a.first_at.getTime() > b.first_at.getTime() ||
      (a.first_at.getTime() === b.first_at.getTime() && a.deployment_id > b.deployment_id)));

function scopesOf(rows: WindowRows, belongs: (row: SpanSum) => boolean): Map<string, Record<string, WindowSum>> {
  const scopes = new Map<string, Record<string, WindowSum>>();
  for (const [window, all] of rows)
    for (const row of all.filter(belongs)) {
      const scope = scopes.get(row.scope_key) ?? {};
      scopes.set(row.scope_key, scope);
      scope[window] = { sum: row.sum, count: row.counted };
    }
  return scopes;
}

function formerOf(
  rows: WindowRows,
  widest: readonly SpanSum[],
  counts: (row: SpanSum) => boolean,
): Map<string, FormerDeployment[]> {
  const former = new Map<string, FormerDeployment[]>();
  const others = Map.groupBy(
    widest.filter((r) => !counts(r)),
    (r) => JSON.stringify([r.model_id, r.deployment_id]),
  );
  for (const mine of others.values()) {
    const { model_id, deployment_id } = mine[0]!;
    const of = (r: SpanSum): boolean => r.model_id === model_id && r.deployment_id === deployment_id;
    const entry = {
      deployment_id,
      prediction_count: mine.reduce((n, r) => n + r.counted, 0),
      first_at: new Date(Math.min(...mine.map((r) => r.first_at.getTime()))).toISOString(),
      last_at: new Date(Math.max(...mine.map((r) => r.last_at.getTime()))).toISOString(),
      windows: Object.fromEntries([...rows].map(([name, all]) => [name, meanOf(all.filter(of))])),
    };
    former.set(
      model_id,
      [...(former.get(model_id) ?? []), entry].sort((a, b) => (a.last_at < b.last_at ? 1 : -1)),
    );
  }
  return former;
}

function meanOf(rows: readonly SpanSum[]): number | null {
  const count = rows.reduce((n, r) => n + r.counted, 0);
  return count === 0 ? null : rows.reduce((sum, r) => sum + r.sum, 0) / count;
}
