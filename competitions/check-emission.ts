import { ruleProblems } from "../domain/emission/check.ts";
import type { Competition, PayableModel } from "./competition.ts";
import type { Problem } from "./competition-error.ts";
import { rewardsByContract } from "./emission.ts";
import { attempt, type Findings } from "./findings.ts";

const NEEDED = ["contribution", "model_correlation"] as const;

/** What is wrong with how the contract shares out. */
export function emissionProblems(contract: Competition): Problem[] {
  const { emission, buildEmission, metrics, ensembles = [] } = contract;
  if (emission === undefined) return [];
  if (buildEmission)
    return [{ where: "emission", what: "there is buildEmission beside it, and only one can decide: leave one out" }];
  const problems = ruleProblems(emission).map(({ where, what }) => ({ where: `emission.${where}`, what }));
  if (problems.length > 0 || emission.strategy === "tier") return problems;
  const missing = NEEDED.filter((name) => !metrics.includes(name));
  return [
    ...missing.map((name) => ({
      where: "emission.strategy",
      what: `contribution_weighted shares out by the metric ${name}: add it to metrics`,
    })),
    ...(ensembles.length === 0
      ? [
          {
            where: "emission.strategy",
            what: "contribution_weighted asks what a model adds to an ensemble: declare one in ensembles",
          },
        ]
      : []),
  ];
}

/** Three models, the last without metrics. */
export async function tryEmission(contract: Competition, found: Findings): Promise<void> {
  if (!contract.buildEmission) return;
  const ranking = ["a", "b", "c"].map((modelId, i) => {
    const value = 1 / (i + 1);
    const metrics = Object.fromEntries(contract.metrics.map((name) => [name, value]));
    const model: PayableModel = {
      ...{ modelId, cruncherId: `cruncher of ${modelId}`, rank: i + 1, value, predictionCount: 10 * (i + 1) },
      summary: i === 2 ? { value } : { value, ...metrics },
    };
    return { ...model, modelName: modelId, cruncherName: model.cruncherId, snapshotCount: 1 };
  });
  await attempt("buildEmission", () => rewardsByContract(contract, ranking), found);
}
