import type { CheckpointRow } from "../db/checkpoints.ts";
import type { Emission } from "../domain/emission.ts";
import { markdownText } from "../domain/markdown.ts";
import type { CheckpointMeta } from "./seal.ts";

type Sealed = Pick<CheckpointRow, "id" | "meta_jsonb" | "emission_jsonb" | "merkle_root" | "emission_hash">;

const SHOWN_MODELS = 20;
const SHOWN_CRUNCHERS = 20;

/** A sealed checkpoint as Markdown for the Temporal UI. `publicUrl`: of the node's page and API, without a slash at the end. */
export function emissionTable(row: Sealed, publicUrl: string): string {
  const meta = row.meta_jsonb as unknown as CheckpointMeta;
  const { ranking, snapshot_count, model_count, ranked_by } = meta;
  const what = `${model_count} models, ${snapshot_count} snapshots, ranked by ${markdownText(ranked_by.key)} (${ranked_by.direction})`;
  const parts = ranking.length === 0 ? ["A quiet period: nobody is paid."] : [modelTable(meta), cruncherTable(meta)];
  return [what, ...parts, ...unranked(meta), ...providers(row), evidence(row), links(row.id, publicUrl)].join("\n\n");
}

function modelTable({ ranking, recipients }: CheckpointMeta): string {
  const wallets = new Map(recipients.map((r) => [r.cruncher_id, r.address]));
  const rows = ranking
    .slice(0, SHOWN_MODELS)
    .map((m) => [
      ...[m.rank, markdownText(m.model_name), markdownText(m.cruncher_name), m.value, m.prediction_count],
      ...[percent(m.reward_frac64), m.reward_frac64 > 0 ? (wallets.get(m.cruncher_id) ?? "unknown") : "-"],
    ]);
  const head = ["rank", "model", "cruncher", "value", "predictions", "share", "wallet"];
  return [table(head, rows), ...more(ranking.length - SHOWN_MODELS, "models")].join("\n");
}

function cruncherTable({ recipients }: CheckpointMeta): string {
  const rows = recipients
    .slice(0, SHOWN_CRUNCHERS)
    .map((r) => [markdownText(r.name), r.cruncher_index, percent(r.frac64), r.address]);
  const head = ["cruncher", "index", "share of the emission", "wallet"];
  return [table(head, rows), ...more(recipients.length - SHOWN_CRUNCHERS, "crunchers")].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const more = (count: number, what: string): string[] => (count > 0 ? ["", `and ${count} ${what} more`] : []);

function unranked({ unranked: models, ranked_by, ranking }: CheckpointMeta): string[] {
  if (models.length === 0 || ranking.length === 0) return [];
  const names = models.slice(0, SHOWN_MODELS).map((m) => markdownText(m.model_name));
  return [
    `Without ${markdownText(ranked_by.field)}, so not ranked: ${names.join(", ")}${models.length > SHOWN_MODELS ? ", …" : ""}`,
  ];
}

function providers({ emission_jsonb }: Sealed): string[] {
  const { compute_provider_rewards = [], data_provider_rewards = [] } = emission_jsonb as unknown as Partial<Emission>;
  const line = (what: string, rewards: Emission["data_provider_rewards"]): string[] =>
    rewards.map((r) => `${what}: ${percent(r.reward_pct)} of its part to ${markdownText(r.provider)}`);
  return [...line("compute provider", compute_provider_rewards), ...line("data provider", data_provider_rewards)];
}

const evidence = ({ merkle_root, emission_hash }: Sealed): string =>
  [`root \`${merkle_root}\``, ...(emission_hash === "" ? [] : [`emission \`${emission_hash}\``])].join("  \n");

const links = (id: string, url: string): string =>
  [
    `[checkpoint](${url}/checkpoints/${id})`,
    `[emission](${url}/reports/checkpoints/${id}/emission)`,
    `[proofs](${url}/v1/checkpoints/${id}/proofs)`,
    `[evidence bundle](${url}/v1/checkpoints/${id}/bundle)`,
  ].join(" · ");

const percent = (frac64: number): string => `${(frac64 / 1e7).toFixed(7).replace(/0{1,3}$/, "")} %`;
