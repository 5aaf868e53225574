import { resolve } from "node:path";
import type { Logger } from "pino";
import { type LoadedCompetition, loadCompetition } from "../competitions/load.ts";
import { type Config, localPath } from "../config.ts";
import { createPythonHost, type PythonHost } from "../models/callables/python-host.ts";
import { loadOptions } from "./load-options.ts";

/** Where Python callables run: boxed as models are, copies of their files in a folder of this process alone. */
export const pythonHostOf = (config: Config, logger: Logger): PythonHost =>
  createPythonHost({
    python: config.PYTHON,
    sandbox: config.SANDBOX,
    stateDir: resolve(localPath(config, "callables", String(process.pid))),
    limitMs: config.CALLABLE_TIMEOUT_SECONDS * 1_000,
    logger,
  });

/**
 * The competition as a role that asks its callables needs it: Python's opened, everything tried on sample values. The caller closes the host
 * when the role is over. Throws CompetitionError naming every mistake.
 */
export async function openCompetition(config: Config, log: Logger, python: PythonHost): Promise<LoadedCompetition> {
  const options = { ...loadOptions(config), python, dryRun: true };
  const loaded = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS, options);
  for (const { where, what } of loaded.notes) log.warn({ where }, `competition: ${what}`);
  return loaded;
}
