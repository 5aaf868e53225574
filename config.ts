import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import type { z } from "zod";
import { type FeedStream, feedStreams } from "./domain/feed-streams.ts";
import { schema } from "./settings.ts";

/** FEED_OPT_<name> settings, handed to the feed by name. */
type FeedOptions = Readonly<Record<string, string>>;
export type Config = Readonly<z.output<typeof schema>> & {
  readonly FEED_OPT: FeedOptions;
  /** what FEED_SOURCE and its relatives ask for, at least one; models see the first */
  readonly FEED_STREAMS: readonly [FeedStream, ...FeedStream[]];
};

export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`${problems.length} setting(s) cannot be used:\n${problems.map((p) => `  ${p}`).join("\n")}`);
    this.problems = problems;
  }
}

const ALIASES: Record<string, string> = {
  FEED_PROVIDER: "FEED_SOURCE",
  FEED_ASSETS: "FEED_SUBJECTS",
  MARKET_RECORD_TTL_DAYS: "FEED_RECORD_TTL_DAYS",
  MARKET_RETENTION_CHECK_SECONDS: "FEED_RETENTION_CHECK_SECONDS",
};
const FILES = [".env", "node/.local.env"];

/** The environment, then .env, then node/.local.env, then `last` (only `npm start` passes one). */
export function environment(last?: string, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const files = [...FILES, ...(last ? [last] : [])].filter((file) => existsSync(file));
  const layers = files.map((file) => parseEnv(readFileSync(file, "utf8")) as Record<string, string>);
  return Object.assign({}, ...layers.reverse(), env);
}

const secretFromFile = (env: Record<string, string>, name: string, problems: string[]): string | undefined => {
  const path = env[`${name}_FILE`];
  if (!path) return undefined;
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  problems.push(`${name}_FILE: no file at ${path}`);
  return undefined;
};

const postgresUrl = (env: Record<string, string>): string | undefined => {
  if (!env.POSTGRES_HOST) return undefined;
  const { POSTGRES_USER: user = "starter", POSTGRES_PASSWORD: password = "starter", POSTGRES_DB: db = "starter" } = env;
  return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${env.POSTGRES_HOST}:${env.POSTGRES_PORT ?? "5432"}/${encodeURIComponent(db)}`;
};

/** Parses the settings once; throws one ConfigError that names every mistake. */
export function readConfig(env: Record<string, string> = environment()): Config {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  for (const [alias, name] of Object.entries(ALIASES)) if (env[alias] && !env[name]) values[name] = env[alias];
  for (const name of Object.keys(schema.shape)) {
    const value = env[name] ?? secretFromFile(env, name, problems);
    if (value !== undefined && value !== "") values[name] = value;
  }
  const password = secretFromFile(env, "POSTGRES_PASSWORD", problems);
  values.DATABASE_URL ??= postgresUrl(password ? { ...env, POSTGRES_PASSWORD: password } : env) as string;
  if (values.DATABASE_URL === undefined) delete values.DATABASE_URL;
  const parsed = schema.safeParse(values);
  if (!parsed.success)
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      problems.push(
        `${name}=${/KEY|PASSWORD|URL/.test(name) ? "…" : values[name]}: ${issue.message} (${schema.shape[name as keyof typeof schema.shape]?.description ?? ""})`,
      );
    }
  const FEED_OPT = Object.freeze(named(env, "FEED_OPT_"));
  const { streams, problems: unclear } = parsed.success ? streamsOf(parsed.data, env, FEED_OPT) : NO_STREAMS;
  problems.push(...unclear);
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return Object.freeze({ ...parsed.data, FEED_OPT, FEED_STREAMS: streams as [FeedStream, ...FeedStream[]] });
}

const NO_STREAMS = { streams: [] as FeedStream[], problems: [] as string[] };
const streamsOf = (settings: z.output<typeof schema>, env: Record<string, string>, options: FeedOptions) =>
  feedStreams({
    sources: settings.FEED_SOURCE,
    kind: settings.FEED_KIND,
    granularity: settings.FEED_GRANULARITY,
    subjects: settings.FEED_SUBJECTS,
    subjectsOf: named(env, "FEED_SUBJECTS_"),
    options,
  });

/** Settings whose names are open-ended, by what follows the prefix. */
const named = (env: Record<string, string>, prefix: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );

const OF_PIP = /^(PATH|HOME|PIP_\w+|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;
/** What pip may know of the environment: the operator's index, proxy and certificates; no secret of the node. */
export const pipSettings = (env: Record<string, string> = environment()): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => OF_PIP.test(name)));

/** Path below the folder of local state. */
export const localPath = (config: Config, ...parts: string[]) => join(config.ALMANAC_DIR, ...parts);

/** Where parquet day files are: written by the score role, served by the report role. */
export const dayFolderOf = (config: Config): string =>
  resolve(config.BACKFILL_DATA_DIR ?? localPath(config, "backfill"));

/** Where evidence bundles are: written by the checkpoint role, served by the report role. */
export const evidenceFolderOf = (config: Config): string =>
  resolve(config.EVIDENCE_DIR ?? localPath(config, "evidence"));

/** The table of settings as the README shows it; a test holds the two together. */
export function settingsTable(): string {
  const defaults = readConfig({}) as Readonly<Record<string, unknown>>;
  const shown = (value: unknown): string => (value === undefined || value === "" ? "–" : `\`${String(value)}\``);
  const rows = Object.entries(schema.shape).map(
    ([name, field]) => `| ${name} | ${shown(defaults[name])} | ${field.description ?? ""} |`,
  );
  return ["| setting | default | what |", "|---|---|---|", ...rows].join("\n");
}
