import { tryEmission } from "./check-emission.ts";
import type { Competition, Resolution, Samples, ScheduledScope, Scope } from "./competition.ts";
import { attempt, type Findings, shown } from "./findings.ts";
import type { OutputCheck } from "./python-callables.ts";
import { SAMPLE_DUE_MS, sampleRecords, sampleRequest } from "./sample-records.ts";
import { sampleValues } from "./sample-values.ts";
import type { Scorer } from "./scorer.ts";
import { tryPair, tryScorer } from "./try-scorer.ts";
import { tryAggregator, tryRanker } from "./try-standing.ts";
import { withinLimit } from "./within-limit.ts";

const OUTPUTS = 6;
const WALKS = 4;

export interface DryRunTarget {
  competition: Competition;
  scorer: Scorer;
  /** a Python check of outputs, beside the contract's own */
  outputCheck: OutputCheck | null;
  scopes: readonly ScheduledScope[];
  granularityMs: number;
}
/** Asks every callable once about sample values, in the order of a round's life, and says what would go wrong in earnest. */
export async function dryRun(target: DryRunTarget): Promise<Findings> {
  const found: Findings = { problems: [], notes: [] };
  const { competition, scopes } = target;
  const [scope] = scopes;
  if (!scope) return found;
  await tryInput(target, scope, found);
  const outputs = await tryOutputs(target, scope, found);
  const truths = await tryTruths(target, scope, found);
  const results = await tryScorer(target, { scope, outputs, truths }, found);
  tryPair(competition, { scope, outputs, truths }, found);
  await tryAggregator(competition, results, found);
  await tryRanker(competition, found);
  await tryEmission(competition, found);
  return found;
}

const samplesOf = ({ samples = {} }: Competition, scope: Scope): Samples<unknown, unknown> =>
  typeof samples === "function" ? samples(scope) : samples;

async function tryInput({ competition, granularityMs }: DryRunTarget, scheduled: ScheduledScope, found: Findings) {
  const { scope } = scheduled;
  const subject = competition.subjectNames?.[scope.subject] ?? scope.subject;
  const seen = sampleRecords(scheduled, granularityMs, 0).filter((r) => r.tsFinal <= SAMPLE_DUE_MS);
  const input = await attempt("buildInput", () => competition.buildInput(subject, SAMPLE_DUE_MS, seen), found);
  if (!input) return;
  const parsed = competition.input.safeParse(input.value);
  if (!parsed.success)
    found.problems.push({ where: "buildInput", what: `builds what the input schema refuses: ${parsed.error.message}` });
}

/** Outputs that schema and check take. */
async function tryOutputs(
  { competition, outputCheck }: DryRunTarget,
  { scope }: ScheduledScope,
  found: Findings,
): Promise<unknown[]> {
  const given = samplesOf(competition, scope).outputs;
  const outputs = given ?? sampleValues(competition.output, OUTPUTS);
  const refusals: string[] = [];
  const taken = outputs.filter((output) => {
    try {
      withinLimit(() => competition.validateOutput?.(output, scope));
      return true;
    } catch (error) {
      refusals.push(String(error));
      return false;
    }
  });
  const checked =
    (await outputCheck?.checkBatch(taken.map((output) => ({ output, scope })))) ?? taken.map((output) => ({ output }));
  refusals.push(...checked.flatMap((c) => ("refused" in c ? [c.refused] : [])));
  const good = checked.flatMap((c) => ("output" in c ? [c.output] : []));
  if (good.length > 1) return good;
  const why =
    refusals.length > 0
      ? `validateOutput refuses the sample outputs (${refusals[0]})`
      : "no sample outputs can be made from its schema";
  found[given ? "problems" : "notes"].push({
    where: given ? "samples.outputs" : "output",
    what: `${why}: the scorer was not tried on different predictions; give at least two in samples.outputs`,
  });
  return good;
}

/** What the resolver says of a few random walks; where it needs other data, what the schema gives. */
async function tryTruths(target: DryRunTarget, scheduled: ScheduledScope, found: Findings): Promise<unknown[]> {
  const { competition, granularityMs } = target;
  const truths = [...(samplesOf(competition, scheduled.scope).truths ?? [])];
  let why = "its schema gives none";
  for (let seed = 0; seed < WALKS; seed++) {
    const asked = await attempt(
      "resolveTruth",
      () => competition.resolveTruth(sampleRequest(scheduled, granularityMs, seed)),
      found,
    );
    const judged = asked && judgeTruth(competition, asked.value);
    if (!judged) return truths;
    if ("problem" in judged) {
      found.problems.push({ where: "resolveTruth", what: judged.problem });
      return truths;
    }
    if ("truth" in judged) truths.push(judged.truth);
    else why = judged.why;
  }
  if (truths.length === 0) truths.push(...sampleValues(competition.truth, WALKS));
  if (truths.length === 0)
    found.notes.push({
      where: "truth",
      what: `no sample truth (${why}): the scorer was not tried; give some in samples.truths`,
    });
  return truths;
}

function judgeTruth(
  { truth }: Competition,
  resolution: Resolution<unknown>,
): { truth: unknown } | { why: string } | { problem: string } {
  const fields: Partial<Record<"resolved" | "wait" | "unresolvable", unknown>> = Object(resolution);
  if ("wait" in fields) return { why: String(fields.wait) };
  if ("unresolvable" in fields) return { why: String(fields.unresolvable) };
  if (!("resolved" in fields))
    return { problem: `answers ${shown(resolution)}: write { resolved, evidence }, { wait } or { unresolvable }` };
  const parsed = truth.safeParse(fields.resolved);
  return parsed.success
    ? { truth: parsed.data }
    : { problem: `resolves to what the truth schema refuses: ${parsed.error.message}` };
}
