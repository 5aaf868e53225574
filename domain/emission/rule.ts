import { apportion } from "../apportion.ts";
import type { Ranked, Rewarded } from "../emission.ts";
import { FRAC64 } from "../emission.ts";
import { contributionWeights } from "./contribution.ts";
import { customWeights } from "./custom.ts";
import { tierWeights } from "./tier.ts";

/** Each place has its percentage; see tierWeights for ties and for what is left over. */
interface TierRule {
  strategy: "tier";
  /** percent of the first place, the second and so on, falling; absent: 35, four of 10, five of 5 */
  tiers?: readonly number[];
}

/** Rank, contribution to an ensemble and diversity together; see contributionWeights. */
export interface ContributionRule {
  strategy: "contribution_weighted";
  /** absent: 0.5, 0.3, 0.2 */
  weights?: ContributionShares;
  /** percent of all composites that each composite is raised to at least; absent: 1 */
  minPercent?: number;
}
interface ContributionShares {
  rank: number;
  contribution: number;
  diversity: number;
}

/** Weights that the contract's own buildEmission gave, fixed with the seal: whoever checks a checkpoint apportions them again. */
export interface CustomRule {
  strategy: "custom";
  /** whole numbers in decimal; a model that is not named has none */
  weights: readonly { model_id: string; weight: string }[];
}

/** What a contract may name. */
export type EmissionRule = TierRule | ContributionRule;
/** What a checkpoint was sealed by, defaults filled in: plain JSON. The same rule and ranking give the same shares anywhere. */
export type SealedRule = Required<TierRule> | Required<ContributionRule> | CustomRule;

const TIERS: readonly number[] = [35, 10, 10, 10, 10, 5, 5, 5, 5, 5];
const SHARES: ContributionShares = { rank: 0.5, contribution: 0.3, diversity: 0.2 };
const MIN_PERCENT = 1;

/** The rule with its defaults; absent: tiers. */
export const sealedRule = (rule: EmissionRule = { strategy: "tier" }): Exclude<SealedRule, CustomRule> =>
  rule.strategy === "tier"
    ? { strategy: "tier", tiers: rule.tiers ?? TIERS }
    : {
        strategy: "contribution_weighted",
        weights: rule.weights ?? SHARES,
        minPercent: rule.minPercent ?? MIN_PERCENT,
      };

/**
 * Shares of a ranking, best first: whole numbers that sum to exactly FRAC64 (to 0 when nobody is ranked). Units lost to rounding go to the
 * largest remainders, equal ones to the better place, so that among equal strategies' weights more weight never has less.
 * Throws EmissionRefused where a custom rule names what is not ranked, or gives nothing to anybody.
 */
export function rewardsOf(rule: SealedRule, ranking: readonly Ranked[]): Rewarded[] {
  const shares = apportion(ranking.length === 0 ? 0n : FRAC64, weightsOf(rule, ranking));
  return ranking.map((ranked, i) => ({ ...ranked, frac64: Number(shares[i]) }));
}

function weightsOf(rule: SealedRule, ranking: readonly Ranked[]): bigint[] {
  if (rule.strategy === "tier") return tierWeights(rule.tiers, ranking);
  return rule.strategy === "custom" ? customWeights(rule, ranking) : contributionWeights(rule, ranking);
}
