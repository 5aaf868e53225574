import type { LoadedCompetition } from "../competitions/load.ts";
import type { OutputCheck } from "../competitions/python-callables.ts";
import type { NewPrediction } from "../db/predictions.ts";
import { predictionId } from "../domain/ids.ts";
import type { CollectCounts } from "../domain/round.ts";
import type { CallResult } from "../models/client/fleet.ts";
import type { CollectJob } from "./collect.ts";
import { afterCheck, type Judged, judge } from "./judge.ts";

/** One verdict per model: those that were asked, and those that should have been. A Python check of outputs looks at all of them at once. */
export async function judgeAll(
  { competition, outputCheck }: Pick<LoadedCompetition, "competition" | "outputCheck">,
  job: Pick<CollectJob, "scope" | "callees">,
  answers: ReadonlyMap<string, CallResult | undefined>,
  models: readonly { id: string; deployment_identifier: string }[],
): Promise<Map<string, Judged>> {
  const judged = new Map<string, Judged>();
  for (const [modelId, result] of answers) if (result) judged.set(modelId, judge(competition, job.scope, result));
  if (outputCheck) await checkAll(outputCheck, job, judged);
  const called = job.callees && new Set(job.callees);
  for (const model of models)
    if (!judged.has(model.id) && (called?.has(model.id) ?? true))
      judged.set(model.id, notConnected(model.deployment_identifier));
  return judged;
}

async function checkAll(
  check: OutputCheck,
  { scope }: Pick<CollectJob, "scope">,
  judged: Map<string, Judged>,
): Promise<void> {
  const answered = [...judged].filter(([, verdict]) => verdict.status === "PENDING");
  if (answered.length === 0) return;
  const found = await check.checkBatch(answered.map(([, { output }]) => ({ output, scope })));
  for (const [i, [modelId, verdict]] of answered.entries()) judged.set(modelId, afterCheck(verdict, found[i]!));
}

const notConnected = (deploymentId: string): Judged => ({
  status: "ABSENT",
  reason: "the model was not connected",
  deploymentId,
  execTimeUs: 0,
  output: null,
  outcome: "absent",
});

export const countOf = (judged: ReadonlyMap<string, Judged>): CollectCounts => {
  const outcomes = [...judged.values()].map((j) => j.outcome);
  const count = (outcome: Judged["outcome"]): number => outcomes.filter((o) => o === outcome).length;
  const counts = {
    answered: count("answered"),
    failed: count("failed"),
    timed_out: count("timed_out"),
    absent: count("absent"),
  };
  return { called: counts.answered + counts.failed + counts.timed_out, ...counts };
};

export const rowOf = (roundId: string, modelId: string, j: Judged, provisional: boolean): NewPrediction => ({
  id: predictionId(roundId, modelId),
  modelId,
  deploymentId: j.deploymentId,
  status: j.status,
  reason: j.reason,
  execTimeUs: j.execTimeUs,
  output: j.output,
  meta: provisional ? { provisional: true } : {},
});
