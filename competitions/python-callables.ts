import type { EmissionWeights } from "../domain/emission/custom.ts";
import type { PythonCallable } from "../models/callables/python-callable.ts";
import type { CallableField } from "./callables.ts";
import type { Competition, RankOrder, Resolution, ResolveRequest, Scope, SnapshotSummary } from "./competition.ts";
import type { Outcome, ScoreItem, Scorer } from "./scorer.ts";

/** Checks outputs that the schema took, a round at a time. */
export interface OutputCheck {
  /** One outcome per item, in order: the output that counts, or why it is refused. */
  checkBatch(
    items: readonly { output: unknown; scope: Scope }[],
    signal?: AbortSignal,
  ): Promise<({ output: unknown } | { refused: string })[]>;
}

/** Arguments that a Python callable of each kind is given, by position; the last may be left out where `least` is smaller. */
const PYTHON_ARGUMENTS: Readonly<Record<CallableField, { least: number; names: readonly string[] }>> = {
  score: { least: 2, names: ["prediction", "ground_truth", "scope"] },
  buildInput: { least: 1, names: ["raw_input"] },
  validateOutput: { least: 1, names: ["output", "scope"] },
  resolveTruth: { least: 2, names: ["records", "request"] },
  aggregateSnapshot: { least: 1, names: ["results"] },
  rankModels: { least: 1, names: ["rows"] },
  buildEmission: { least: 1, names: ["ranking"] },
};

/** Why a callable that takes this many arguments by position (null: any number) cannot stand there; null: it can. */
export function argumentsProblem(field: CallableField, takes: number | null): string | null {
  const { least, names } = PYTHON_ARGUMENTS[field];
  return takes === null || takes >= least
    ? null
    : `takes ${takes} argument(s) by position; write it as (${names.slice(0, least).join(", ")})`;
}

/** As many arguments as it takes; those that it may leave out only where it asks for them. */
const given = (field: CallableField, { takes }: PythonCallable, args: readonly unknown[]): unknown[] =>
  args.slice(0, Math.max(PYTHON_ARGUMENTS[field].least, takes ?? 0));

async function one(callable: PythonCallable, args: readonly unknown[]): Promise<unknown> {
  const [outcome] = await callable.call([args]);
  if (!outcome || "error" in outcome) throw new Error(outcome?.error ?? "no answer");
  return outcome.value;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const named = (value: unknown): string =>
  value === null ? "None" : Array.isArray(value) ? "a list" : isRecord(value) ? "a dict" : `${typeof value} ${value}`;

/** A Python scorer: `score(prediction: dict, ground_truth: dict[, scope: dict]) -> dict | float`; the prediction has model_id and prediction_id beside its fields. */
export const pythonScorer = (callable: PythonCallable, hash: string): Scorer => ({
  hash,
  async scoreBatch(items, signal) {
    const calls = items.map((item) => given("score", callable, [prediction(item), item.truth, item.scope]));
    return (await callable.call(calls, signal)).map((o) => ("error" in o ? o : scoreOf(o.value)));
  },
});

const prediction = ({ output, modelId, predictionId }: ScoreItem): unknown =>
  isRecord(output) ? { ...output, model_id: modelId, prediction_id: predictionId } : output;

/** A bare number is the value; fields that are None say nothing. */
function scoreOf(answer: unknown): Outcome {
  if (typeof answer === "number") return { result: { value: answer } };
  if (!isRecord(answer))
    return { error: `the scorer answered ${named(answer)}: return a number or a dict with a value` };
  const fields = Object.entries(answer).filter(([, v]) => v !== null);
  const large = fields.find(([, v]) => typeof v === "bigint");
  if (large) return { error: `the scorer answered ${large[0]} = ${large[1]}, an integer beyond 2^53: return a float` };
  return { result: Object.fromEntries(fields) as { value: number } };
}

/** `validate(output: dict[, scope: dict])`: raise or return False to refuse, return a dict to put in its place, or nothing. */
export const pythonOutputCheck = (callable: PythonCallable, schema: Competition["output"]): OutputCheck => ({
  async checkBatch(items, signal) {
    const calls = items.map(({ output, scope }) => given("validateOutput", callable, [output, scope]));
    return (await callable.call(calls, signal)).map((outcome, i) => {
      if ("error" in outcome) return { refused: outcome.error };
      if (outcome.value === false) return { refused: "the validator says False" };
      if (outcome.value === null || outcome.value === true) return { output: items[i]!.output };
      const parsed = schema.safeParse(outcome.value);
      return parsed.success
        ? { output: parsed.data }
        : { refused: `the validator gave back something else than an output: ${parsed.error.message}` };
    });
  },
});

/** `build_input(raw_input: dict) -> dict`: from what `build` makes to what models get, which must fit the schema. */
export const pythonInputBuilder =
  (
    callable: PythonCallable,
    build: Competition["buildInput"],
    schema: Competition["input"],
  ): Competition["buildInput"] =>
  async (subject, asOfMs, records) => {
    const input = await one(callable, [await build(subject, asOfMs, records)]);
    const parsed = schema.safeParse(input);
    if (!parsed.success)
      throw new TypeError(
        `the input builder answered ${named(input)}, which the contract's input schema refuses: ${parsed.error.message}`,
      );
    return input;
  };

/**
 * `resolve(records: list[dict], request: dict) -> dict | None`: the truth, or {"unresolvable": why}; None or {"wait": why}: not yet.
 * It is not asked before every record up to the resolve time is known.
 */
export const pythonResolver =
  (callable: PythonCallable): Competition["resolveTruth"] =>
  async (request): Promise<Resolution<unknown>> => {
    if (request.knownUntilMs < request.resolveAtMs)
      return { wait: "the records up to the resolve time are not all known" };
    const answer = await one(callable, [request.records.map(recordOf), requestOf(request)]);
    if (answer === null) return { wait: "the resolver says: not yet" };
    if (!isRecord(answer)) return { unresolvable: `the resolver answered ${named(answer)}: return a dict or None` };
    const { wait, unresolvable } = answer;
    if (typeof wait === "string") return { wait };
    if (typeof unresolvable === "string") return { unresolvable };
    return { resolved: answer, evidence: { resolver: "python", records: request.records.length } };
  };

const recordOf = ({ subject, tsEvent, tsFinal, values, segment }: ResolveRequest["records"][number]) => ({
  subject,
  ts_event_ms: tsEvent,
  ts_final_ms: tsFinal,
  segment,
  values,
});
const requestOf = ({ scope, dueMs, resolveAtMs, granularityMs, knownUntilMs }: ResolveRequest) => ({
  scope,
  due_ms: dueMs,
  resolve_at_ms: resolveAtMs,
  granularity_ms: granularityMs,
  known_until_ms: knownUntilMs,
});

/** `aggregate(results: list[dict]) -> dict` of numbers, text, booleans or None. */
export const pythonAggregator =
  (callable: PythonCallable): NonNullable<Competition["aggregateSnapshot"]> =>
  async (results) => {
    const answer = await one(callable, [results]);
    if (!isRecord(answer)) throw new TypeError(`the aggregator answered ${named(answer)}: return a dict`);
    const wrong = Object.entries(answer).find(
      ([, v]) => v !== null && !["number", "string", "boolean"].includes(typeof v),
    );
    if (wrong)
      throw new TypeError(`the aggregator answered ${wrong[0]} = ${named(wrong[1])}: numbers, text and booleans only`);
    return answer as SnapshotSummary;
  };

/** `rank(rows: list[dict]) -> list` of model ids, best first; those of one rank in a list of their own. */
export const pythonRanker =
  (callable: PythonCallable): NonNullable<Competition["rankModels"]> =>
  async (rows) => {
    const asked = rows.map(({ modelId, metrics, predictionCount, newcomer }) => ({
      model_id: modelId,
      metrics,
      prediction_count: predictionCount,
      newcomer,
    }));
    const answer = await one(callable, [asked]);
    if (!Array.isArray(answer)) throw new TypeError(`the ranker answered ${named(answer)}: return a list of model ids`);
    return answer as RankOrder;
  };

/** `build_emission(ranking: list[dict]) -> dict` of model ids and whole numbers; the ranking is best first. */
export const pythonEmission =
  (callable: PythonCallable): NonNullable<Competition["buildEmission"]> =>
  async (ranking) => {
    const asked = ranking.map(({ modelId, cruncherId, rank, value, predictionCount, summary }) => ({
      ...{ model_id: modelId, cruncher_id: cruncherId, rank, value, prediction_count: predictionCount },
      result_summary: summary,
    }));
    const answer = await one(callable, [asked]);
    if (!isRecord(answer))
      throw new TypeError(
        `the emission builder answered ${named(answer)}: return a dict of model ids and whole numbers`,
      );
    return answer as EmissionWeights;
  };
