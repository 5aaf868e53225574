import { type WhatIfAnswer, whatIfAnswer } from "../api/contract/what-if.ts";
import type { WhatIfFlags } from "./checkpoint-what-if-flags.ts";
import { askNode } from "./report-api.ts";

/** Prints both emissions with their differences. */
export async function whatIfCommand(id: string, flags: WhatIfFlags): Promise<void> {
  const { strategy, tiers, weights: parts, minPercent, exclude, from, to } = flags;
  const body = { strategy, tiers, weights: parts, min_percent: minPercent, exclude, from, to };
  const path = id === "open" ? "/v1/what-if" : `/v1/checkpoints/${encodeURIComponent(id)}/what-if`;
  const answer = await askNode({ to: flags.node, method: "POST", path, body }, whatIfAnswer);
  process.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : `${linesOf(answer).join("\n")}\n`);
}

const percent = (frac64: string, sign = ""): string => `${sign}${(Number(frac64) / 1e7).toFixed(4)} %`;
const place = (rank: number | null): string => (rank === null ? "-" : String(rank));

function linesOf({ checkpoint, from, to, ranked_by, rule, crunchers, models }: WhatIfAnswer): string[] {
  return [
    `${checkpoint ?? "not sealed yet"}, scoring windows from ${from} to ${to}, by ${ranked_by.field} ${ranked_by.direction}`,
    `before ${JSON.stringify(rule.before)}`,
    `after  ${JSON.stringify(rule.after)}`,
    ...(crunchers.length > 0 ? ["cruncher: before -> after (difference)"] : ["nobody is paid, before or after"]),
    ...crunchers.map(({ cruncher_id, cruncher_name, frac64 }) => {
      const difference = percent(frac64.difference, Number(frac64.difference) > 0 ? "+" : "");
      return `  ${percent(frac64.before)} -> ${percent(frac64.after)}  (${difference})  ${cruncher_name} (${cruncher_id})`;
    }),
    ...(models.length > 0 ? ["model: rank before -> after"] : []),
    ...models.map(
      ({ model_id, model_name, rank, frac64 }) =>
        `  rank ${place(rank.before)} -> ${place(rank.after)}  ${percent(frac64.before)} -> ${percent(frac64.after)}  ${model_name} (${model_id})`,
    ),
  ];
}
