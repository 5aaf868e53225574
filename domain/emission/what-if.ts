import { type Contender, cruncherShares, type Rewarded } from "../emission.ts";

/** Leaves out every model that one of the names stands for: its id or name, or its cruncher's. `unknown` are the names of nobody. */
export function withoutNamed<T extends Contender>(
  contenders: readonly T[],
  names: readonly string[],
): { kept: T[]; unknown: string[] } {
  const namesOf = (c: Contender): string[] => [c.modelId, c.modelName, c.cruncherId, c.cruncherName];
  const excluded = new Set(names);
  return {
    kept: contenders.filter((c) => !namesOf(c).some((name) => excluded.has(name))),
    unknown: names.filter((name) => !contenders.some((c) => namesOf(c).includes(name))),
  };
}

/** Shares in frac64; what is null stands for a model or cruncher that is not ranked there. */
interface Shares {
  before: number;
  after: number;
}
interface CruncherDifference extends Shares {
  cruncherId: string;
  cruncherName: string;
  /** after less before */
  difference: number;
}
interface ModelDifference extends Shares {
  modelId: string;
  modelName: string;
  cruncherId: string;
  rank: { before: number | null; after: number | null };
  value: { before: number | null; after: number | null };
}
export interface EmissionDifference {
  crunchers: CruncherDifference[];
  models: ModelDifference[];
}

/** Who has what by one ranking and by another: everybody who is in either, crunchers by their share after, models by their rank after; differences of crunchers sum to zero where both pay. */
export function compareEmissions(before: readonly Rewarded[], after: readonly Rewarded[]): EmissionDifference {
  const models = merged(before, after, (m) => m.modelId).map(({ id, old, now }): ModelDifference => {
    const { modelName, cruncherId } = (now ?? old)!;
    return {
      ...{ modelId: id, modelName, cruncherId, before: old?.frac64 ?? 0, after: now?.frac64 ?? 0 },
      rank: { before: old?.rank ?? null, after: now?.rank ?? null },
      value: { before: old?.value ?? null, after: now?.value ?? null },
    };
  });
  const shares = [cruncherShares(before), cruncherShares(after)] as const;
  const names = new Map([...before, ...after].map((m) => [m.cruncherId, m.cruncherName]));
  const crunchers = merged(...shares, (c) => c.cruncherId).map(({ id, old, now }): CruncherDifference => {
    const [from, to] = [old?.frac64 ?? 0, now?.frac64 ?? 0];
    return { cruncherId: id, cruncherName: names.get(id)!, before: from, after: to, difference: to - from };
  });
  return { crunchers: crunchers.sort(byShare), models: models.sort(byRank) };
}

const merged = <T>(before: readonly T[], after: readonly T[], idOf: (row: T) => string) => {
  const [old, now] = [before, after].map((rows) => new Map(rows.map((row) => [idOf(row), row])));
  const ids = new Set([...now!.keys(), ...old!.keys()]);
  return [...ids].map((id) => ({ id, old: old!.get(id), now: now!.get(id) }));
};

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byShare = (a: CruncherDifference, b: CruncherDifference): number =>
  b.after - a.after || b.before - a.before || byText(a.cruncherId, b.cruncherId);
const UNRANKED = Number.MAX_SAFE_INTEGER;
const byRank = (a: ModelDifference, b: ModelDifference): number =>
  (a.rank.after ?? UNRANKED) - (b.rank.after ?? UNRANKED) ||
  (a.rank.before ?? UNRANKED) - (b.rank.before ?? UNRANKED) ||
  byText(a.modelId, b.modelId);
