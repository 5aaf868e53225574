import type { MetricField } from "./field.ts";
import type { OwnSeries } from "./own-series.ts";

/** Mean absolute change from one answer to the model's next of the same scope; 0 with fewer than two. */
export function turnover(own: OwnSeries, field: MetricField): number {
  const scopes = field.once("scope numbers", numberScopes);
  const last = new Float64Array(scopes.count).fill(Number.NaN);
  let sum = 0;
  let changes = 0;
  for (let i = 0; i < own.n; i++) {
    const scope = scopes.of[own.columns[i]!]!;
    const value = own.predicted[i]!;
    const before = last[scope]!;
    last[scope] = value;
    if (Number.isNaN(before)) continue;
    sum += Math.abs(value - before);
    changes++;
  }
  return changes > 0 ? sum / changes : 0;
}

function numberScopes({ matrix }: MetricField): { of: Uint32Array; count: number } {
  const numbers = new Map([...new Set(matrix.scopeKeys)].map((key, i) => [key, i]));
  return { of: Uint32Array.from(matrix.scopeKeys, (key) => numbers.get(key)!), count: numbers.size };
}
