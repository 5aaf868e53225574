import { apportion } from "./apportion.ts";
import type { Emission } from "./emission.ts";

/** What a checkpoint says of its period, as its reports need it. */
export interface ReportedCheckpoint {
  id: string;
  /** ISO */
  periodStart: string;
  periodEnd: string;
  ranking: readonly ReportedModel[];
  /** in the order in which the pool is split; empty while nobody is known to be paid */
  recipients: readonly { cruncher_id: string; address: string; frac64: number }[];
  /** null: it waits for a person, and nothing is fixed yet */
  emission: Emission | null;
}
interface ReportedModel {
  model_id: string;
  model_name: string;
  cruncher_id: string;
  rank: number;
  prediction_count: number;
  result_summary: Readonly<Record<string, unknown>>;
  reward_frac64: number;
}

/** Percent of a share, exact: a unit of frac64 is its seventh decimal. */
const percentOf = (frac64: number): number => frac64 / 1e7;

/** As `crunch emission-checkpoint-add` reads it: percent by wallet. What goes to one wallet twice is summed, so that nothing is lost. */
export function cliFormat(emission: Emission, recipients: ReportedCheckpoint["recipients"]) {
  const summed = (shares: readonly (readonly [wallet: string, frac64: number])[]): Record<string, number> => {
    const sums = new Map<string, number>();
    for (const [wallet, frac64] of shares) sums.set(wallet, (sums.get(wallet) ?? 0) + frac64);
    return Object.fromEntries([...sums].map(([wallet, frac64]) => [wallet, percentOf(frac64)]));
  };
  const providers = (rewards: Emission["compute_provider_rewards"]) =>
    summed(rewards.map((r) => [r.provider, r.reward_pct]));
  return {
    crunch: emission.crunch,
    crunchEmission: summed(recipients.map((r) => [r.address, r.frac64])),
    computeProvider: providers(emission.compute_provider_rewards),
    dataProvider: providers(emission.data_provider_rewards),
  };
}

export interface Prize {
  prizeId: string;
  /** end of the period, Unix seconds */
  timestamp: number;
  model: string;
  /** in the token's smallest unit */
  prize: number;
}

/**
 * `total` over the ranked models in whole units, exactly: first over the crunchers, as a payout of the same total would be, then each cruncher's part over its
 * models, both by largest remainder. All zero where nobody is paid.
 */
export function prizesOf(checkpoint: ReportedCheckpoint, total: number): Prize[] {
  const { id, ranking, recipients } = checkpoint;
  const timestamp = Math.floor(Date.parse(checkpoint.periodEnd) / 1_000);
  const parts = apportion(
    BigInt(total),
    recipients.map((r) => BigInt(r.frac64)),
  );
  const prizes = new Map<string, bigint>();
  for (const [i, { cruncher_id }] of recipients.entries()) {
    const own = ranking.filter((m) => m.cruncher_id === cruncher_id);
    const split = apportion(
      parts[i]!,
      own.map((m) => BigInt(m.reward_frac64)),
    );
    for (const [k, { model_id }] of own.entries()) prizes.set(model_id, split[k]!);
  }
  return ranking.map(({ model_id }) => {
    const prize = Number(prizes.get(model_id) ?? 0n);
    return { prizeId: `${id}-${model_id}`, timestamp, model: model_id, prize };
  });
}

/** One row per ranked model, its means beside it; a mean never stands in the place of a fixed field. */
export function rewardRows({ id, periodStart, periodEnd, ranking, emission }: ReportedCheckpoint) {
  return ranking.map(({ model_id, model_name, rank, prediction_count, result_summary, reward_frac64 }) => {
    const row = {
      ...{ checkpoint_id: id, period_start: periodStart, period_end: periodEnd, model_id, model_name, rank },
      ...{ reward_pct: emission ? percentOf(reward_frac64) : null, prediction_count },
    };
    return { ...row, ...result_summary, ...row };
  });
}
