import { pino } from "pino";
import { createRetentionActivities, type RetentionLine, retentionPlan } from "../activities/retention.ts";
import { loadCompetition } from "../competitions/load.ts";
import { openDatabase } from "../db/database.ts";
import { loadOptions } from "../workers/load-options.ts";
import { retentionSettings } from "../workers/retention.ts";
import { nodeConfig } from "./node-config.ts";

export interface RetentionFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `almanac retention`: one pass after the other until nothing is left to go; `--dry-run` reads only. */
export async function retentionCommand({ dryRun, json }: RetentionFlags): Promise<void> {
  const config = nodeConfig();
  const { competition } = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS, loadOptions(config));
  const db = openDatabase({ url: config.DATABASE_URL, application: "almanac retention", maxConnections: 3 });
  const deps = { db, settings: retentionSettings(config, competition), log: pino({ level: "silent" }) };
  try {
    if (dryRun) return print(await retentionPlan(deps), json);
    const total: Record<string, number> = {};
    for (let more = true; more; ) {
      const pass = await createRetentionActivities(deps).prune();
      for (const [what, count] of Object.entries(pass.gone)) total[what] = (total[what] ?? 0) + count;
      more = pass.more;
    }
    const lines = Object.entries(total).map(([what, count]) => `${what}: ${count}`);
    process.stdout.write(json ? `${JSON.stringify(total)}\n` : `${lines.join("\n")}\n`);
  } finally {
    await db.destroy();
  }
}

function print(lines: readonly RetentionLine[], json: boolean | undefined): void {
  process.stdout.write(json ? `${JSON.stringify(lines)}\n` : `${lines.flatMap(textOf).join("\n")}\n`);
}

const textOf = ({ table, expiredBeforeMs, goes, stays }: RetentionLine): string[] => [
  `${table}: ${expiredBeforeMs === null ? "kept for ever" : `older than ${new Date(expiredBeforeMs).toISOString()} may go`}`,
  ...goes.map(({ what, rows }) => `  goes   ${what} (${rows})`),
  ...stays.map(({ what, why }) => `  stays  ${what}: ${why}`),
];
