/** One scored prediction. `predicted` and `actual` are the pair that metrics compare (null: none), `value` is the scorer's number (null: the score failed or is excluded). */
export interface ScoreRow {
  modelId: string;
  roundId: string;
  scopeKey: string;
  /** the round's due time, epoch ms */
  dueMs: number;
  predicted: number | null;
  actual: number | null;
  value: number | null;
}

/**
 * Scored predictions joined on (round, scope, model): row m is a model, column r a round, and a cell is at m · rounds + r.
 * NaN means absent, so that what is compared is always of one round: nothing here pairs by the place in a list.
 */
export interface ScoreMatrix {
  /** in ascending order, virtual models (ensembles) last */
  modelIds: readonly string[];
  /** in order of (due time, id) */
  roundIds: readonly string[];
  scopeKeys: readonly string[];
  dueMs: Float64Array;
  /** what happened, one number a round; NaN: unknown, or models were given different ones */
  actual: Float64Array;
  /** what each model said, models × rounds */
  predicted: Float64Array;
  /** the scorer's values, models × rounds */
  value: Float64Array;
  /** rounds whose rows contradict each other in `actual`: their truth is not a function of the round, so metrics leave them out */
  contradictory: readonly string[];
}

interface Column {
  id: string;
  scopeKey: string;
  dueMs: number;
}

/** The sum of both memory-heavy arrays is 16 bytes a cell: 1,000 models × 10,000 rounds are 160 MB. A second row of one (model, round) wins over the first. */
export function scoreMatrix(rows: readonly ScoreRow[], isVirtual: (modelId: string) => boolean): ScoreMatrix {
  const modelIds = [...new Set(rows.map((r) => r.modelId))].sort(
    (a, b) => Number(isVirtual(a)) - Number(isVirtual(b)) || (a < b ? -1 : 1),
  );
  const columns = columnsOf(rows);
  const matrix = emptyMatrix(modelIds, columns);
  const rowOf = new Map(modelIds.map((id, m) => [id, m]));
  const columnOf = new Map(columns.map((c, r) => [c.id, r]));
  const contradictory = new Set<string>();
  for (const row of rows) {
    const r = columnOf.get(row.roundId)!;
    const cell = rowOf.get(row.modelId)! * columns.length + r;
    matrix.predicted[cell] = finite(row.predicted);
    matrix.value[cell] = finite(row.value);
    const actual = finite(row.actual);
    if (Number.isNaN(matrix.actual[r]!)) matrix.actual[r] = actual;
    else if (!Number.isNaN(actual) && actual !== matrix.actual[r]) contradictory.add(row.roundId);
  }
  for (const id of contradictory) matrix.actual[columnOf.get(id)!] = Number.NaN;
  return { ...matrix, contradictory: [...contradictory].sort() };
}

const finite = (x: number | null): number => (x !== null && Number.isFinite(x) ? x : Number.NaN);

function columnsOf(rows: readonly ScoreRow[]): Column[] {
  const byId = new Map(rows.map((r) => [r.roundId, { id: r.roundId, scopeKey: r.scopeKey, dueMs: r.dueMs }]));
  return [...byId.values()].sort((a, b) => a.dueMs - b.dueMs || (a.id < b.id ? -1 : 1));
}

function emptyMatrix(modelIds: readonly string[], columns: readonly Column[]): ScoreMatrix {
  const cells = modelIds.length * columns.length;
  return {
    modelIds,
    roundIds: columns.map((c) => c.id),
    scopeKeys: columns.map((c) => c.scopeKey),
    dueMs: Float64Array.from(columns, (c) => c.dueMs),
    actual: new Float64Array(columns.length).fill(Number.NaN),
    predicted: new Float64Array(cells).fill(Number.NaN),
    value: new Float64Array(cells).fill(Number.NaN),
    contradictory: [],
  };
}
