/** 100 % in the chain's fixed-point unit. */
export const FRAC64 = 1_000_000_000n;

export interface Contender {
  modelId: string;
  modelName: string;
  cruncherId: string;
  cruncherName: string;
  /** mean of the ranked value over the period, weighted by predictions */
  value: number;
  predictionCount: number;
  snapshotCount: number;
  /** means of all numbers of its snapshots' summaries over the period, by name */
  summary: Readonly<Record<string, number>>;
}

export interface Ranked extends Contender {
  /** from 1; equal values share a rank, and the next one skips (1, 1, 3) */
  rank: number;
}

export interface Rewarded extends Ranked {
  /** share of the emission, FRAC64 = 100 % */
  frac64: number;
}

/** Best first. Models without a prediction or a finite value are left out: a silent model can never lead. */
export function rank(contenders: readonly Contender[], direction: "asc" | "desc"): Ranked[] {
  const sign = direction === "asc" ? 1 : -1;
  const heard = contenders.filter((c) => c.predictionCount > 0 && Number.isFinite(c.value));
  const sorted = heard.sort((a, b) => sign * (a.value - b.value) || (a.modelId < b.modelId ? -1 : 1));
  let place = 0;
  return sorted.map((contender, i) => {
    if (i === 0 || contender.value !== sorted[i - 1]!.value) place = i + 1;
    return { ...contender, rank: place };
  });
}

export interface CruncherShare {
  cruncherId: string;
  cruncherName: string;
  frac64: number;
}

/** One share per cruncher with a reward, several models summed, in order of their best model. */
export function cruncherShares(rewarded: readonly Rewarded[]): CruncherShare[] {
  const shares = new Map<string, CruncherShare>();
  for (const { cruncherId, cruncherName, frac64 } of rewarded) {
    const sum = (shares.get(cruncherId)?.frac64 ?? 0) + frac64;
    shares.set(cruncherId, {
      cruncherId,
      cruncherName: shares.get(cruncherId)?.cruncherName ?? cruncherName,
      frac64: sum,
    });
  }
  return [...shares.values()].filter((share) => share.frac64 > 0);
}

export interface ProviderReward {
  provider: string;
  reward_pct: number;
}

/** What goes on chain; the names are the protocol's. All shares are frac64 integers. */
export interface Emission {
  crunch: string;
  cruncher_rewards: { cruncher_index: number; reward_pct: number }[];
  compute_provider_rewards: ProviderReward[];
  data_provider_rewards: ProviderReward[];
}

/** A provider named in the settings has the whole of its pot; an empty name means there is none. */
export const providerRewards = (provider: string): ProviderReward[] =>
  provider === "" ? [] : [{ provider, reward_pct: Number(FRAC64) }];
