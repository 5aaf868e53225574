import { FRAC64 } from "../emission.ts";
import type { EmissionRule } from "./rule.ts";
import { percentUnits } from "./tier.ts";

export interface RuleProblem {
  /** path below the rule, empty: the rule itself */
  where: string;
  what: string;
}
const MOST_DECIMALS = 7;

const isShare = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x) && x >= 0;

/** What no emission can be made by, each with what to write. The rule may be anything that somebody typed. */
export function ruleProblems(rule: unknown): RuleProblem[] {
  const given = Object(rule) as Partial<EmissionRule>;
  if (given.strategy === "tier") return given.tiers === undefined ? [] : tierProblems(given.tiers);
  if (given.strategy === "contribution_weighted") return contributionProblems(given);
  const what = `"${String(given.strategy)}": write tier or contribution_weighted, or give buildEmission`;
  return [{ where: "strategy", what }];
}

function tierProblems(tiers: unknown): RuleProblem[] {
  const where = "tiers";
  if (!Array.isArray(tiers) || tiers.length === 0)
    return [{ where, what: "write a list of percents, the first place first" }];
  const odd = tiers.find((t) => !isShare(t) || t > 100 || Number(t.toFixed(MOST_DECIMALS)) !== t);
  if (odd !== undefined)
    return [{ where, what: `${String(odd)}: write percents from 0 to 100 with at most ${MOST_DECIMALS} decimals` }];
  const rising = (tiers as number[]).findIndex((t, i) => i > 0 && t > tiers[i - 1]);
  const sum = (tiers as number[]).reduce((all, t) => all + percentUnits(t), 0n);
  return [
    ...(rising > 0
      ? [{ where, what: `place ${rising + 1} has more than place ${rising}: a better rank must never get less` }]
      : []),
    ...(sum > FRAC64 ? [{ where, what: `sum to ${Number(sum) / 1e7} %: write no more than 100` }] : []),
  ];
}

function contributionProblems({
  weights,
  minPercent,
}: Partial<Extract<EmissionRule, { strategy: "contribution_weighted" }>>) {
  const problems: RuleProblem[] = [];
  if (weights !== undefined) {
    const parts = ["rank", "contribution", "diversity"] as const;
    const unfit = parts.filter((part) => !isShare(Object(weights)[part]) || Object(weights)[part] > 1_000_000);
    for (const part of unfit)
      problems.push({ where: `weights.${part}`, what: `${String(Object(weights)[part])}: write a number from 0` });
    if (unfit.length === 0 && parts.every((part) => Number(weights[part].toFixed(9)) === 0))
      problems.push({ where: "weights", what: "all weights are zero: give at least one" });
  }
  if (minPercent !== undefined && (!isShare(minPercent) || minPercent > 100))
    problems.push({ where: "minPercent", what: `${String(minPercent)}: write a percentage from 0 to 100` });
  return problems;
}
