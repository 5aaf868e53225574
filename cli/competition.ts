import { pino } from "pino";
import { CompetitionError } from "../competitions/competition-error.ts";
import { loadCompetition } from "../competitions/load.ts";
import { readConfig } from "../config.ts";
import { pythonHostOf } from "../workers/competition.ts";
import { loadOptions } from "../workers/load-options.ts";

const REFUSED = 2;

/** `almanac competition check [path]`: everything that a start would refuse, and what it would only wonder about. Exit code 2: refused. */
export async function checkCompetitionCommand(path: string | undefined): Promise<void> {
  const config = readConfig();
  const competition = path ?? config.COMPETITION;
  await using python = pythonHostOf(config, pino({ level: "silent" }));
  try {
    const loaded = await loadCompetition(competition, config.FEED_SUBJECTS, {
      ...loadOptions(config),
      python,
      dryRun: true,
    });
    for (const { where, what } of loaded.notes) console.log(`note: ${where}: ${what}`);
    for (const [field, { reference, language }] of Object.entries(loaded.contractBody.callables))
      console.log(`${field} is ${reference} (${language})`);
    console.log(
      [
        `${competition} can be run: ${loaded.scopes.length} scope(s)`,
        `contract ${loaded.contractHash}`,
        `scorer   ${loaded.scorerHash}`,
      ].join("\n"),
    );
  } catch (error) {
    if (!(error instanceof CompetitionError)) throw error;
    console.error(error.message);
    process.exitCode = REFUSED;
  }
}
