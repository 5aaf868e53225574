import { METRIC_NAMES } from "../domain/metrics/registry.ts";
import { CALLABLE_SETTINGS } from "./callables.ts";
import { emissionProblems } from "./check-emission.ts";
import type { Competition, EnsembleRule, MissingPolicy } from "./competition.ts";
import type { Problem } from "./competition-error.ts";

type Fields = Readonly<Record<string, unknown>>;
const NAME = /^[A-Za-z0-9][\w-]{0,60}$/;

const finite = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const atLeast = (value: unknown, least: number): boolean => Number.isInteger(value) && (value as number) >= least;
const listed = (names: Iterable<string>): string => [...names].join(", ") || "none";
const twiceIn = (names: readonly string[]): string[] => [
  ...new Set(names.filter((name, i) => names.indexOf(name) !== i)),
];

/** Fields without which nothing else can be looked at. */
export function shapeProblems(contract: unknown): Problem[] {
  if (typeof contract !== "object" || contract === null)
    return [
      { where: "default export", what: "is no competition: write `export default defineCompetition({ id, score })`" },
    ];
  const fields = contract as Fields;
  const problems: Problem[] = [];
  const text = (name: string): void => {
    if (typeof fields[name] !== "string" || fields[name] === "")
      problems.push({ where: name, what: "write a text that is not empty" });
  };
  text("id");
  text("tickMethod");
  for (const name of ["input", "output", "truth"])
    if (typeof (fields[name] as { safeParse?: unknown } | undefined)?.safeParse !== "function")
      problems.push({ where: name, what: "write a zod schema" });
  const required = ["schedule", "buildInput", "resolveTruth", "score", "pair"];
  const named = Object.values(CALLABLE_SETTINGS) as string[];
  for (const name of new Set([...required, ...named])) {
    const value = fields[name];
    const mayBeText = named.includes(name) && typeof value === "string";
    if (typeof value === "function" || mayBeText || (value === undefined && !required.includes(name))) continue;
    problems.push({ where: name, what: `must be a function${named.includes(name) ? ", or name one" : ""}` });
  }
  if (typeof (fields.call as { method?: unknown } | undefined)?.method !== "string")
    problems.push({ where: "call", what: "write { method, args: [{ name, type }] }" });
  for (const name of ["windows", "metrics"])
    if (!Array.isArray(fields[name])) problems.push({ where: name, what: "write a list" });
  for (const name of ["missing", "ranking"])
    if (typeof fields[name] !== "object" || fields[name] === null) problems.push({ where: name, what: "is missing" });
  return problems;
}

/** Everything that a look at the fields shows. */
export const contractProblems = (contract: Competition): Problem[] => [
  ...windowProblems(contract),
  ...overallProblems(contract),
  ...metricProblems(contract),
  ...rankingProblems(contract),
  ...missingProblems(contract),
  ...(contract.ensembles ?? []).flatMap((rule) => ensembleProblems(rule, contract)),
  ...ensembleNameProblems(contract.ensembles ?? []),
  ...calleeProblems(contract),
  ...numberProblems(contract),
  ...choiceProblems(contract),
  ...emissionProblems(contract),
];

function windowProblems({ windows, metrics }: Competition): Problem[] {
  const names = windows.map((w) => w.name);
  return [
    ...(windows.length === 0 ? [{ where: "windows", what: "give at least one { name, hours }" }] : []),
    ...windows.flatMap(({ name, hours }, i) => [
      ...(NAME.test(name) ? [] : [{ where: `windows.${i}.name`, what: `"${name}": letters, digits, _ and - only` }]),
      ...(finite(hours) && hours > 0
        ? []
        : [{ where: `windows.${i}.hours`, what: `${hours}: write more than 0 hours` }]),
    ]),
    ...twiceIn(names).map((name) => ({ where: "windows", what: `the name ${name} is there twice` })),
    ...names
      .filter((name) => name === "overall" || name === "by_scope" || metrics.includes(name))
      .map((name) => ({
        where: "windows",
        what: `${name} is the name of something else on the leaderboard: choose another`,
      })),
  ];
}

function overallProblems({ overall, windows }: Competition): Problem[] {
  if (!overall) return [];
  const names = windows.map((w) => w.name);
  const entries = Object.entries(overall);
  const strange = entries.filter(([name]) => !names.includes(name));
  const unfit = entries.filter(([, weight]) => !finite(weight) || weight < 0);
  return [
    ...strange.map(([name]) => ({ where: `overall.${name}`, what: `is no window; there are ${listed(names)}` })),
    ...unfit.map(([name, weight]) => ({
      where: `overall.${name}`,
      what: `${weight}: write a number that is 0 or more`,
    })),
    ...(unfit.length === 0 && entries.every(([, weight]) => weight === 0)
      ? [{ where: "overall", what: "all weights are zero: give at least one window a weight" }]
      : []),
  ];
}

const metricProblems = ({ metrics }: Competition): Problem[] => [
  ...metrics
    .filter((name) => !(METRIC_NAMES as readonly string[]).includes(name))
    .map((name) => ({ where: "metrics", what: `there is no ${name}; there are ${listed(METRIC_NAMES)}` })),
  ...twiceIn(metrics).map((name) => ({ where: "metrics", what: `${name} is there twice` })),
];

/** Metrics that compare with the contract's ensembles: without one they are 0 for everybody, and a checkpoint would pay all alike. */
const OF_ENSEMBLES: readonly string[] = ["contribution", "ensemble_correlation"];

function rankingProblems({ ranking, windows, metrics, ensembles = [] }: Competition): Problem[] {
  const keys = [...windows.map((w) => w.name), "overall", ...metrics];
  return [
    ...(keys.includes(ranking.key)
      ? []
      : [
          {
            where: "ranking.key",
            what: `nothing on the leaderboard is called ${ranking.key}; there are ${listed(keys)}`,
          },
        ]),
    ...(OF_ENSEMBLES.includes(ranking.key) && metrics.includes(ranking.key) && ensembles.length === 0
      ? [
          {
            where: "ranking.key",
            what: `${ranking.key} compares with ensembles, and there are none: declare one in ensembles, or rank by another key`,
          },
        ]
      : []),
    ...(ranking.direction === "asc" || ranking.direction === "desc"
      ? []
      : [{ where: "ranking.direction", what: `"${ranking.direction}": write asc or desc` }]),
  ];
}

function missingProblems({ missing }: Competition): Problem[] {
  return (["ABSENT", "TIMEOUT", "FAILED"] as const).flatMap((status) => {
    const policy: MissingPolicy | undefined = missing[status];
    const where = `missing.${status}`;
    if (policy?.kind === "fixed")
      return finite(policy.value) ? [] : [{ where, what: `fixed value ${policy.value}: write a finite number` }];
    return policy?.kind === "worst-of-round" || policy?.kind === "excluded"
      ? []
      : [{ where, what: 'write { kind: "worst-of-round" }, { kind: "fixed", value } or { kind: "excluded" }' }];
  });
}

function ensembleProblems({ name, strategy, filter }: EnsembleRule, { windows, metrics }: Competition): Problem[] {
  const where = `ensembles ${name}`;
  const problems: Problem[] = [];
  if (!NAME.test(String(name))) problems.push({ where, what: "the name has letters, digits, _ and - only" });
  if (strategy !== "equal_weight" && strategy !== "inverse_variance")
    problems.push({ where: `${where}.strategy`, what: `"${strategy}": write equal_weight or inverse_variance` });
  if (filter?.kind === "top_n" && !atLeast(filter.n, 1))
    problems.push({ where: `${where}.filter.n`, what: `${filter.n}: write a whole number from 1` });
  if (filter?.kind === "min_metric") {
    const known = [...metrics, ...windows.map((w) => w.name)];
    if (!known.includes(filter.metric))
      problems.push({
        where: `${where}.filter.metric`,
        what: `there is no ${filter.metric}; there are ${listed(known)}`,
      });
    if (!finite(filter.threshold)) problems.push({ where: `${where}.filter.threshold`, what: "write a finite number" });
  }
  if (filter && filter.kind !== "top_n" && filter.kind !== "min_metric")
    problems.push({ where: `${where}.filter`, what: "write kind top_n or min_metric" });
  return problems;
}

const ensembleNameProblems = (rules: readonly EnsembleRule[]): Problem[] =>
  twiceIn(rules.map((r) => r.name)).map((name) => ({ where: "ensembles", what: `the name ${name} is there twice` }));

function calleeProblems({ callees }: Competition): Problem[] {
  if (!callees || callees.kind === "all") return [];
  if (callees.kind === "list")
    return Array.isArray(callees.models) && callees.models.length > 0
      ? []
      : [
          {
            where: "callees.models",
            what: 'the list is empty, nobody would be called: name model ids, or write { kind: "all" }',
          },
        ];
  if (callees.kind !== "top") return [{ where: "callees.kind", what: "write all, top or list" }];
  return [
    ...(atLeast(callees.n, 1) ? [] : [{ where: "callees.n", what: `${callees.n}: write a whole number from 1` }]),
    ...(atLeast(callees.everybodyEach, 1)
      ? []
      : [
          {
            where: "callees.everybodyEach",
            what: `${callees.everybodyEach}: write a whole number from 1; others could never rise`,
          },
        ]),
  ];
}

function numberProblems(contract: Competition): Problem[] {
  const { participationFloor: floor = 0, provisionalRounds = 0, publishDelayMs = 0, stalenessFraction = 1 } = contract;
  const { sources = [], maxDeviation = 1 } = contract.truthSources ?? {};
  const rules: [string, boolean, string][] = [
    ["participationFloor", finite(floor) && floor >= 0 && floor <= 1, "write a share from 0 to 1"],
    ["provisionalRounds", atLeast(provisionalRounds, 0), "write a whole number of rounds from 0"],
    ["publishDelayMs", atLeast(publishDelayMs, 0), "write a whole number of milliseconds from 0"],
    ["stalenessFraction", finite(stalenessFraction) && stalenessFraction > 0, "write a share of the horizon above 0"],
    ["truthSources.sources", !contract.truthSources || sources.length > 0, "name at least one source beside the first"],
    ["truthSources.maxDeviation", finite(maxDeviation) && maxDeviation > 0, "write a share of the price above 0"],
    [
      "tournament.deadlineMs",
      atLeast(contract.tournament?.deadlineMs ?? 1, 1),
      "write a whole number of milliseconds from 1",
    ],
  ];
  return rules.flatMap(([where, holds, what]) => (holds ? [] : [{ where, what }]));
}

function choiceProblems({ onNewDeployment = "keep", compat = "crunch-node" }: Competition): Problem[] {
  return [
    ...(["keep", "reset", "split"].includes(onNewDeployment)
      ? []
      : [{ where: "onNewDeployment", what: `"${onNewDeployment}": write keep, reset or split` }]),
    ...(compat === "crunch-node" ? [] : [{ where: "compat", what: `"${compat}": write crunch-node or leave it out` }]),
  ];
}
