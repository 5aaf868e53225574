import { argumentProblem, argumentValue, featureFields } from "../competitions/call-arguments.ts";
import type { Competition } from "../competitions/competition.ts";
import type { PostedTruth } from "../db/tournament-truths.ts";
import { ApiError } from "./problem.ts";

type Parsed<T> = { data: T } | { problem: string };
interface Schema {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: unknown }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
}

const MOST_NAMED = 10;

/** Features as the contract's input schema takes them, and as the call's arguments can be filled. @throws ApiError 422 that names each mistake */
export function readFeatures(
  competition: Competition,
  id: string,
  features: readonly Record<string, unknown>[],
): Record<string, unknown>[] {
  return all(features.map((feature, i) => readFeature(competition, id, feature, i)));
}

function readFeature(
  competition: Competition,
  id: string,
  feature: Record<string, unknown>,
  index: number,
): Parsed<Record<string, unknown>> {
  const at = `features.${index}`;
  const read = parse<Record<string, unknown>>(competition.input, feature, at);
  if ("problem" in read) return read;
  const fields = featureFields(id, index, read.data);
  const unfilled = competition.call.args.flatMap((a) => argumentProblem(a, argumentValue(a.name, fields)) ?? []);
  return unfilled.length > 0 ? { problem: `${at}: ${unfilled.join(", ")}` } : read;
}

/** Truths by feature_index, as the contract's truth schema takes them; null is no truth. @throws ApiError 422 that names each mistake */
export function readTruths(
  competition: Competition,
  featureCount: number,
  given: readonly unknown[] | Readonly<Record<string, unknown>>,
): PostedTruth[] {
  const entries = Object.entries(given).filter(([, truth]) => truth !== null);
  return all(
    entries.map(([key, value]): Parsed<PostedTruth> => {
      const index = Number(key);
      const at = `ground_truth.${key}`;
      if (index >= featureCount)
        return { problem: `${at}: the round has ${featureCount} features, 0 to ${featureCount - 1}` };
      const read = parse<unknown>(competition.truth, value, at);
      return "problem" in read ? read : { data: { index, truth: read.data } };
    }),
  );
}

function parse<T>(schema: Schema, value: unknown, at: string): Parsed<T> {
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    return {
      problem: parsed.error.issues.map((i) => `${[at, ...i.path.map(String)].join(".")}: ${i.message}`).join(", "),
    };
  if (JSON.stringify(parsed.data)?.includes("\\u0000")) return { problem: `${at}: a text holds a NUL character` };
  return { data: parsed.data as T };
}

function all<T>(parsed: readonly Parsed<T>[]): T[] {
  const problems = parsed.flatMap((p) => ("problem" in p ? [p.problem] : []));
  if (problems.length === 0) return parsed.flatMap((p) => ("data" in p ? [p.data] : []));
  const more = problems.length > MOST_NAMED ? `; and ${problems.length - MOST_NAMED} more` : "";
  throw new ApiError(422, "invalid", problems.slice(0, MOST_NAMED).join("; ") + more);
}
