import { customRule, EmissionRefused } from "../domain/emission/custom.ts";
import { rewardsOf, type SealedRule, sealedRule } from "../domain/emission/rule.ts";
import type { Ranked, Rewarded } from "../domain/emission.ts";
import type { Competition, PayableModel } from "./competition.ts";

export type EmissionContract = Pick<Competition, "emission" | "buildEmission">;

/**
 * What the contract gives each ranked model, and the rule by which anybody can compute it again. Throws EmissionRefused, saying what to
 * mend, where the contract's own buildEmission throws or answers what no emission can be made of.
 */
export async function rewardsByContract(
  contract: EmissionContract,
  ranking: readonly Ranked[],
): Promise<{ rule: SealedRule; rewarded: Rewarded[] }> {
  const rule = await ruleFor(contract, ranking);
  return { rule, rewarded: rewardsOf(rule, ranking) };
}

async function ruleFor({ emission, buildEmission }: EmissionContract, ranking: readonly Ranked[]): Promise<SealedRule> {
  if (!buildEmission) return sealedRule(emission);
  if (ranking.length === 0) return { strategy: "custom", weights: [] }; // nobody to ask about
  return customRule(await asked(buildEmission, ranking), ranking);
}

async function asked(build: NonNullable<Competition["buildEmission"]>, ranking: readonly Ranked[]): Promise<unknown> {
  try {
    return await build(ranking.map(payable));
  } catch (error) {
    throw new EmissionRefused(`buildEmission throws ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

const payable = ({ modelId, cruncherId, rank, value, predictionCount, summary }: Ranked): PayableModel => ({
  ...{ modelId, cruncherId, rank, value, predictionCount, summary: { ...summary } },
});
