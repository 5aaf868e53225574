import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Competition } from "../../../../competitions/competition.ts";
import type { Dump } from "./dump.ts";

const PROGRAM = join(import.meta.dirname, "../../../expected/leaderboard.py");

export interface ExpectedRow {
  rank: number;
  model: string;
  value: number | null;
  windows: Record<string, number | null>;
  overall: number | null;
}
interface Span {
  endMs: number;
  scoreEveryMs: number;
  granularityMs: number;
}

/** The board that the independent program finds from records and answers alone. */
export function expectedBoard(
  { records, answers }: Dump,
  { windows, ranking }: Pick<Competition, "windows" | "ranking">,
  { endMs, scoreEveryMs, granularityMs }: Span,
): ExpectedRow[] {
  const rankingHours = windows.find((w) => w.name === ranking.key)!.hours;
  const rules = {
    kind: "rules",
    end_ms: endMs,
    started_ms: Math.min(...answers.map((a) => a.dueMs)),
    windows: Object.fromEntries(windows.map((w) => [w.name, w.hours])),
    rank_by: ranking.key,
    direction: ranking.direction,
    granularity_ms: granularityMs,
    tolerance_ms: Math.max(3 * scoreEveryMs, rankingHours * 36_000),
  };
  const lines = [
    rules,
    ...records.map(([final_ms, close, segment]) => ({
      kind: "record",
      ...{ subject: answers[0]!.subject, final_ms, close, segment },
    })),
    ...answers.map((a) => ({
      kind: "output",
      ...{ model: a.model, scope: a.scope, subject: a.subject, due_ms: a.dueMs, resolve_ms: a.resolveMs },
      value: a.output === null ? null : a.output.value,
    })),
  ];
  const input = lines.map((line) => JSON.stringify(line)).join("\n");
  const text = execFileSync("python3", [PROGRAM, "-"], { input, encoding: "utf8", maxBuffer: 64 * 1024 ** 2 });
  return JSON.parse(text) as ExpectedRow[];
}
