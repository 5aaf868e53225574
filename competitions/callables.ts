import type { Competition } from "./competition.ts";

/** Settings that name a callable, and the field of the contract that each of them stands for. */
export const CALLABLE_SETTINGS = {
  SCORING_FUNCTION: "score",
  INFERENCE_INPUT_BUILDER: "buildInput",
  INFERENCE_OUTPUT_VALIDATOR: "validateOutput",
  GROUND_TRUTH_RESOLVER: "resolveTruth",
  MODEL_SCORE_AGGREGATOR: "aggregateSnapshot",
  LEADERBOARD_RANKER: "rankModels",
  EMISSION_BUILDER: "buildEmission",
} as const satisfies Record<string, keyof Competition>;

export type CallableSetting = keyof typeof CALLABLE_SETTINGS;
export type CallableField = (typeof CALLABLE_SETTINGS)[CallableSetting];
/** As the environment has them; empty or absent: the contract's own. */
export type CallableSettings = Partial<Readonly<Record<CallableSetting, string | undefined>>>;

/** A callable that is named instead of given: an export of a TypeScript module, or something in a Python module. */
export type Reference =
  | { language: "typescript"; file: string; name: string }
  | { language: "python"; module: string; name: string; file?: string };

/** What to write where a callable is named. */
export const REFERENCE_FORMS =
  "a path to a TypeScript export (path/file.ts:exportName; path/file.ts is its default export) or a Python callable (module:callable, or path/file.py:callable)";

const TYPESCRIPT = /^(?<file>.+\.m?[jt]s)(?::(?<name>[\w$]+))?$/;
const PYTHON_FILE = /^(?<file>(?:.*[/\\])?(?<module>[A-Za-z_]\w*)\.py):(?<name>[A-Za-z_][\w.]*)$/;
const PYTHON_MODULE = /^(?<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?<name>[A-Za-z_][\w.]*)$/;

/** null: it has none of the forms. */
export function parseReference(text: string): Reference | null {
  const typescript = TYPESCRIPT.exec(text)?.groups;
  if (typescript) return { language: "typescript", file: typescript.file!, name: typescript.name ?? "default" };
  const python = (PYTHON_FILE.exec(text) ?? PYTHON_MODULE.exec(text))?.groups;
  if (!python) return null;
  const { module, name, file } = python;
  return { language: "python", module: module!, name: name!, ...(file === undefined ? {} : { file }) };
}

/** A callable as it was asked for. */
export interface Named {
  field: CallableField;
  /** what the reader of an error looks for: the setting, or the field of the contract */
  where: string;
  text: string;
}

/** The callables that are named instead of given; the environment wins over the contract. */
export function namedCallables(contract: Readonly<Record<string, unknown>>, settings: CallableSettings): Named[] {
  return Object.entries(CALLABLE_SETTINGS).flatMap(([setting, field]): Named[] => {
    const asked = settings[setting as CallableSetting];
    if (asked) return [{ field, where: setting, text: asked }];
    const own = contract[field];
    return typeof own === "string" ? [{ field, where: field, text: own }] : [];
  });
}
