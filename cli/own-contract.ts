import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import { scoreRoundsAgain } from "../activities/rescoring.ts";
import { CALLABLE_SETTINGS } from "../competitions/callables.ts";
import type { Scope } from "../competitions/competition.ts";
import { type LoadedCompetition, loadCompetition } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import type { NewScore } from "../db/scores.ts";
import type { PythonHost } from "../models/callables/python-host.ts";
import type { BundledContract } from "../proofs/verify/contracts.ts";
import type { AskedPrediction, ExpectedScore, Rescore } from "../proofs/verify/rounds.ts";
import type { OwnContract } from "../proofs/verify/verify.ts";

interface Options {
  /** module that was asked for; absent: COMPETITION, then every pack of this clone */
  path?: string | undefined;
  config: Config;
  python: PythonHost;
  log: Logger;
}

/** What was found, in words for the reader. */
export type FoundContract = OwnContract & { where: string };

/**
 * This machine's own copy of one of the bundle's contracts: the module whose hash, sources and schedule included, is the one that rounds name. Only
 * its hash is compared; nothing of the bundle is run. Null: there is none.
 */
export async function ownContract(
  bundled: readonly BundledContract[],
  options: Options,
): Promise<FoundContract | null> {
  const paths = options.path ? [options.path] : candidates(options.config.COMPETITION);
  for (const contract of bundled)
    for (const path of paths) {
      const loaded = await loadedAs(contract, path, options).catch((error: unknown) => {
        options.log.debug({ path, error: String(error) }, "no copy of the contract");
        return null;
      });
      if (loaded?.contractHash === contract.hash) return { ...rulesOf(loaded), where: path };
    }
  return null;
}

const PACKS = "competitions";
function candidates(first: string): string[] {
  const packs = readdirSync(resolve(import.meta.dirname, "..", PACKS), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(PACKS, entry.name, "competition.ts"));
  return [...new Set([first, ...packs])];
}

/** Loaded as the node did: the subjects of its schedule, and the callables that it named. */
const loadedAs = (
  { schedule, callables }: BundledContract,
  path: string,
  { python }: Options,
): Promise<LoadedCompetition> => {
  const subjects = new Set(schedule.map((each) => String((each as { scope?: { subject?: unknown } }).scope?.subject)));
  const named = Object.entries(CALLABLE_SETTINGS).map(([setting, field]) => {
    const reference = (callables[field] as { reference?: unknown } | undefined)?.reference;
    return [setting, typeof reference === "string" ? reference : undefined];
  });
  return loadCompetition(path, [...subjects], { python, callables: Object.fromEntries(named) });
};

const rulesOf = (loaded: LoadedCompetition): OwnContract => ({
  rescore: rescoreBy(loaded),
  isMean: loaded.competition.aggregateSnapshot === undefined && loaded.competition.compat === undefined,
});

function rescoreBy(loaded: LoadedCompetition): Rescore {
  const isOurs = (p: AskedPrediction): boolean => p.scorer_hash === loaded.scorerHash;
  return async (rounds) => {
    const asked = rounds.map(({ scope, truth, predictions }) => ({
      ...{ scope: scope as Scope, truth },
      predictions: predictions.filter(isOurs).map((p) => ({
        ...{ id: p.model_id, model_id: p.model_id, deployment_id: p.deployment_id },
        ...{ status: p.prediction.status as never, reason: p.prediction.reason },
        inference_output_jsonb: p.prediction.output as Record<string, unknown> | null,
      })),
    }));
    const scores = await scoreRoundsAgain(loaded, asked);
    return rounds.map(({ predictions }, r) => {
      const byModel = new Map(scores[r]!.map((score) => [score.modelId, score]));
      return predictions.map((p) => (isOurs(p) ? expected(byModel.get(p.model_id)) : null));
    });
  };
}

const HUNG = /did not end in time/;

/** A scorer that hung here may not have hung there: such a score cannot be told either way. */
function expected(score: NewScore | undefined): ExpectedScore {
  if (!score) return { value: null, success: false, failed_reason: "the scorer refuses it", result: {} };
  if (score.deadLetter && HUNG.test(score.deadLetter.error)) return null;
  const { value, success, failedReason, result } = score;
  return { value, success, failed_reason: failedReason, result: JSON.parse(JSON.stringify(result)) as unknown };
}
