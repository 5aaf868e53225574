import type { CallArgument, Competition, Scope, SubjectNames } from "./competition.ts";

const TYPES = ["STRING", "INT", "FLOAT", "JSON"] as const satisfies readonly CallArgument["type"][];
/** What the arguments of a tournament's call are taken from: the fields of the feature, the whole of it, and where it stands. */
export const featureFields = (id: string, index: number, features: Readonly<Record<string, unknown>>) => ({
  ...features,
  features,
  round_id: id,
  feature_index: index,
});

/** The value of a call's argument from a round's scope: the subject as models know it, everything else as it stands. */
export const argumentValue = (name: string, scope: Readonly<Record<string, unknown>>, names?: SubjectNames): unknown =>
  name === "subject" && typeof scope.subject === "string"
    ? (names?.[scope.subject] ?? scope.subject)
    : (scope[name] ?? null);

/** Why a value cannot go out as this type; null: it can. */
export function argumentProblem({ name, type }: CallArgument, value: unknown): string | null {
  if (type === "JSON") return null;
  if (type === "STRING" && typeof value === "string") return null;
  if (type === "INT" && Number.isSafeInteger(value)) return null;
  if (type === "FLOAT" && typeof value === "number" && Number.isFinite(value)) return null;
  return `${name} is ${type} and its value is ${JSON.stringify(value) ?? "missing"}`;
}

/**
 * What is wrong with the arguments of the predict call, checked at the start: an unknown type, a name that a scope has not, a value of
 * another type. The features of a tournament are not known yet; they are checked when they are posted.
 */
export function callArgumentProblems(
  { call, subjectNames }: Pick<Competition, "call" | "subjectNames">,
  scopes: readonly { scopeKey: string; scope: Scope }[],
): string[] {
  const types = call.args
    .filter(({ type }) => !TYPES.includes(type))
    .map(({ name, type }) => `call.args: ${name} has the type ${String(type)}; there are ${TYPES.join(", ")}`);
  const values = scopes.flatMap(({ scopeKey, scope }) =>
    call.args.flatMap((argument) => {
      if (!TYPES.includes(argument.type)) return [];
      if (!(argument.name in scope))
        return [
          `call.args: ${argument.name} is no field of the scope ${scopeKey}, which has ${Object.keys(scope).join(", ")}`,
        ];
      const problem = argumentProblem(argument, argumentValue(argument.name, scope, subjectNames));
      return problem === null ? [] : [`call.args: ${problem} in the scope ${scopeKey}`];
    }),
  );
  return [...types, ...values];
}
