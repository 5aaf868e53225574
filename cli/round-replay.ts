import { pino } from "pino";
import type { Part } from "../activities/replay-part.ts";
import { type RoundReplay, replayRound } from "../activities/round-replay.ts";
import { loadCompetition } from "../competitions/load.ts";
import { openDatabase } from "../db/database.ts";
import { pythonHostOf } from "../workers/competition.ts";
import { loadOptions } from "../workers/load-options.ts";
import { replayDeps } from "../workers/round-replay.ts";
import { nodeConfig } from "./node-config.ts";

const DIFFERS = 1;

/** `almanac round replay <id>`: exit code 1 where something differs from what is stored, or there is no such round. */
export async function replayRoundCommand(id: string, { json }: { readonly json?: boolean }): Promise<void> {
  const config = nodeConfig();
  await using python = pythonHostOf(config, pino({ level: "silent" }));
  const competition = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS, {
    ...loadOptions(config),
    python,
  });
  const db = openDatabase({ url: config.DATABASE_URL, application: "almanac round replay", maxConnections: 3 });
  try {
    const replay = await replayRound(replayDeps(config, db, competition), id);
    if (!replay) throw new Error(`There is no round ${id}. Rounds are listed by GET /v1/rounds.`);
    process.stdout.write(json ? `${JSON.stringify(replay)}\n` : `${textOf(replay).join("\n")}\n`);
    if (!replay.equal) process.exitCode = DIFFERS;
  } finally {
    await db.destroy();
  }
}

const textOf = ({ round_id, status, contract, parts, equal }: RoundReplay): string[] => [
  `${round_id}  ${status}`,
  contract.same
    ? `contract    the same, ${contract.present.slice(0, 12)}`
    : `contract    another: the round began under ${contract.recorded.slice(0, 12)}, this is ${contract.present.slice(0, 12)}`,
  ...parts.flatMap(linesOf),
  equal ? "equal: what could be made again is what is stored" : "differs",
];

const linesOf = ({ part, verdict, note, difference }: Part): string[] => [
  `${part.padEnd(11)} ${verdict}  ${note}`,
  ...(difference
    ? [
        `  ${difference.field}`,
        `    stored      ${JSON.stringify(difference.stored)}`,
        `    recomputed  ${JSON.stringify(difference.recomputed)}`,
      ]
    : []),
];
