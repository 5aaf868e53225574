import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { spreadPhases } from "../domain/schedule.ts";
import type { PythonCallable } from "../models/callables/python-callable.ts";
import type { PythonHost } from "../models/callables/python-host.ts";
import { callArgumentProblems } from "./call-arguments.ts";
import { type CallableSettings, namedCallables } from "./callables.ts";
import { contractProblems, shapeProblems } from "./check-contract.ts";
import { type CheckSettings, readSchedule, scheduleNotes, scheduleProblems } from "./check-schedule.ts";
import type { Competition, ScheduledScope } from "./competition.ts";
import { CompetitionError, type Problem } from "./competition-error.ts";
import { dryRun } from "./dry-run.ts";
import { buildCompatInput, buildMarketInput } from "./market-input.ts";
import {
  type OutputCheck,
  pythonAggregator,
  pythonEmission,
  pythonInputBuilder,
  pythonOutputCheck,
  pythonRanker,
  pythonResolver,
  pythonScorer,
} from "./python-callables.ts";
import { type FoundCallable, findCallable } from "./resolve-callables.ts";
import { contractScorer, type Scorer } from "./scorer.ts";
import { canonicalHash, hashOf, type Sources, sourceReader } from "./sources.ts";

/** A competition with the hashes that pin what its rounds ran under. */
export interface LoadedCompetition {
  competition: Competition;
  scopes: readonly ScheduledScope[];
  /** of sources, schedule and callables: recorded on each round */
  contractHash: string;
  /** of the scorer's sources: versions the scores */
  scorerHash: string;
  /** what the hash was taken over, stored once per hash */
  contractBody: ContractBody;
  /** gives the scores: the contract's own function, or what SCORING_FUNCTION names */
  scorer: Scorer;
  /** a Python check of outputs, a round at a time; null: `validateOutput` is all there is */
  outputCheck: OutputCheck | null;
  /** what the dry run found odd and not wrong */
  notes: readonly Problem[];
}

interface ContractBody {
  sources: Sources;
  schedule: readonly ScheduledScope[];
  /** callables that are named instead of given */
  callables: Readonly<Record<string, { reference: string; language: string; hash: string }>>;
}

export interface LoadOptions extends CheckSettings {
  /** callables that the environment names */
  callables?: CallableSettings;
  /** opens Python callables; absent: they are found and hashed, and this process runs none */
  python?: PythonHost;
  /** asks every callable about sample values */
  dryRun?: boolean;
}

const DRY_RUN_GRANULARITY_MS = 60_000;

/**
 * Imports the module at `path` (relative to the working directory), finds its callables and checks everything.
 * @throws CompetitionError naming every mistake with its field
 */
export async function loadCompetition(
  path: string,
  subjects: readonly string[],
  options: LoadOptions = {},
): Promise<LoadedCompetition> {
  const file = resolve(path);
  const contract = await importContract(file, path);
  refuse(path, shapeProblems(contract));
  const reader = sourceReader(dirname(file));
  const sources = await reader.contract(file);
  const { found, problems } = await findAll(contract, { folder: dirname(file), sources: reader }, options);
  const { competition, scorer, outputCheck } = assemble(contract, found, hashOf(sources));
  const { scopes, problems: unread } = readSchedule(competition, subjects);
  const unusable = [...problems, ...unread];
  const unwise = [...contractProblems(competition), ...scopeProblems(competition, scopes, options)];
  const schedule = spreadPhases(scopes);
  const granularityMs = options.granularityMs ?? DRY_RUN_GRANULARITY_MS;
  const target = { competition, scorer, outputCheck, scopes: schedule, granularityMs };
  const tried = options.dryRun && unusable.length === 0 ? await dryRun(target) : { problems: [], notes: [] };
  refuse(path, [...unusable, ...unwise, ...tried.problems]);
  const body = { sources, schedule, callables: recordOf(found) };
  return {
    competition,
    scopes: schedule,
    contractBody: body,
    contractHash: canonicalHash(body),
    scorerHash: scorer.hash,
    scorer,
    outputCheck,
    notes: [...scheduleNotes(schedule, options), ...tried.notes],
  };
}

function refuse(path: string, problems: readonly Problem[]): void {
  if (problems.length > 0) throw new CompetitionError(path, problems);
}

async function importContract(file: string, path: string): Promise<Competition> {
  const module = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    const what = `cannot be loaded: ${String(cause)}. Give the path of a module that exports a competition.`;
    throw new CompetitionError(path, [{ where: "module", what }]);
  });
  return module.default as Competition;
}

/** All named callables, and what is wrong with those that could not be found. */
async function findAll(
  contract: Competition,
  place: { folder: string; sources: ReturnType<typeof sourceReader> },
  { callables = {}, python }: LoadOptions,
): Promise<{ found: FoundCallable[]; problems: Problem[] }> {
  const named = namedCallables(contract as unknown as Record<string, unknown>, callables);
  const found: FoundCallable[] = [];
  const problems: Problem[] = [];
  for (const each of named) {
    const one = await findCallable(each, { ...place, python });
    if ("problem" in one) problems.push({ where: each.where, what: one.problem });
    else found.push(one);
  }
  return { found, problems };
}

const recordOf = (found: readonly FoundCallable[]): ContractBody["callables"] =>
  Object.fromEntries(found.map(({ field, reference, language, hash }) => [field, { reference, language, hash }]));

interface Assembled {
  competition: Competition;
  scorer: Scorer;
  outputCheck: OutputCheck | null;
}

/** The contract with functions where callables were named. */
function assemble(contract: Competition, found: readonly FoundCallable[], sourcesHash: string): Assembled {
  const competition = { ...contract };
  const ofScore = found.find(({ field }) => field === "score");
  for (const { field, language, call, reference } of found)
    Object.assign(competition, {
      [field]:
        language === "typescript" ? call : pythonField(field, call as PythonCallable | null, contract, reference),
    });
  const check = found.find(({ field, language }) => field === "validateOutput" && language === "python")?.call;
  const hash = ofScore?.hash ?? sourcesHash;
  const scorer =
    ofScore?.language === "python" && ofScore.call
      ? pythonScorer(ofScore.call as PythonCallable, hash)
      : contractScorer(competition.score, hash);
  return {
    competition: Object.freeze(competition),
    scorer,
    outputCheck: check ? pythonOutputCheck(check as PythonCallable, contract.output) : null,
  };
}

/** The field of a contract that stands for a Python callable. */
function pythonField(
  field: FoundCallable["field"],
  callable: PythonCallable | null,
  contract: Competition,
  reference: string,
): unknown {
  if (field === "validateOutput") return undefined; // outputCheck asks it, a round at a time
  const elsewhere = () => {
    throw new TypeError(
      `${field} is ${reference}, a Python callable: ${field === "score" ? "ask the loaded scorer" : "this process runs none"}`,
    );
  };
  if (callable === null || field === "score") return elsewhere;
  if (field === "buildInput") {
    const raw = typeof contract.buildInput === "function" ? contract.buildInput : standardInput(contract);
    return pythonInputBuilder(callable, raw, contract.input);
  }
  if (field === "resolveTruth") return pythonResolver(callable);
  if (field === "buildEmission") return pythonEmission(callable);
  return field === "aggregateSnapshot" ? pythonAggregator(callable) : pythonRanker(callable);
}

const standardInput = ({ compat }: Competition): Competition["buildInput"] =>
  compat === "crunch-node" ? buildCompatInput : buildMarketInput;

const scopeProblems = (
  competition: Competition,
  scopes: readonly ScheduledScope[],
  settings: CheckSettings,
): Problem[] => [
  ...scheduleProblems(competition, scopes, settings),
  ...callArgumentProblems(competition, scopes).map((text) => {
    const [where, ...what] = text.split(": ");
    return { where: where!, what: what.join(": ") };
  }),
];
