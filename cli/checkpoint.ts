import { styleText } from "node:util";
import type { z } from "zod";
import { type CheckpointView, checkpointList, checkpointView, transitionList } from "../api/contract/checkpoints.ts";
import type { CheckpointFlags } from "./checkpoint-flags.ts";
import { askNode } from "./report-api.ts";

/** One checkpoint as the node shows it; `latest` stands for the newest. */
export const checkpointOf = (id: string, { node }: CheckpointFlags): Promise<CheckpointView> =>
  askNode({ to: node, path: `/v1/checkpoints/${encodeURIComponent(id)}` }, checkpointView);

export async function listCheckpointsCommand({ status, limit = "20", node, json }: CheckpointFlags): Promise<void> {
  const query = new URLSearchParams({ limit, ...(status ? { status } : {}) });
  const { data } = await askNode({ to: node, path: `/v1/checkpoints?${query}` }, checkpointList);
  const lines = data.map((row) =>
    [row.id, row.status, row.phase, `${row.model_count} models`, row.tx_hash ?? "-", row.cause ?? ""]
      .join("  ")
      .trimEnd(),
  );
  process.stdout.write(json ? `${JSON.stringify(data)}\n` : `${lines.join("\n") || "none"}\n`);
}

export async function showCheckpointCommand(id: string, flags: CheckpointFlags): Promise<void> {
  const view = await checkpointOf(id, flags);
  const path = `/v1/checkpoints/${encodeURIComponent(view.id)}/transitions`;
  const { data: transitions } = await askNode({ to: flags.node, path }, transitionList);
  if (flags.json) return void process.stdout.write(`${JSON.stringify({ ...view, transitions })}\n`);
  process.stdout.write(`${[...summaryOf(view), "", ...transitions.map(stepLine)].join("\n")}\n`);
}

/** What a person reads before deciding. */
export function summaryOf(view: CheckpointView): string[] {
  const shares = view.emission.map(
    (share) => `  ${percent(share.frac64)}  ${share.cruncher_name}  ${share.wallet}  index ${share.cruncher_index}`,
  );
  const given = view.approvals.map(({ actor }) => actor).join(", ");
  return [
    `${styleText("bold", view.id)}  ${view.status} (${view.phase})  ${view.period_start} to ${view.period_end}`,
    ...(view.cause ? [view.cause] : []),
    `${view.model_count} models, ${view.snapshot_count} snapshots  root ${view.merkle_root}  emission ${view.emission_hash || "-"}`,
    ...(shares.length > 0 ? shares : ["  nobody is paid"]),
    ...(view.approvals_needed === null
      ? []
      : [`approvals ${view.approvals.length} of ${view.approvals_needed}  ${given}`.trimEnd()]),
    ...(view.objection_until && view.phase === "AWAITING_APPROVAL" ? [`objections until ${view.objection_until}`] : []),
    ...(view.tx_hash ? [`transaction ${view.tx_hash}`] : []),
    ...(view.open_decisions.length > 0 ? [`open to decide: ${view.open_decisions.join(", ")}`] : []),
  ];
}

const percent = (frac64: string): string => `${(Number(frac64) / 1e7).toFixed(4)} %`.padStart(11);

const stepLine = (step: z.infer<typeof transitionList>["data"][number]): string =>
  [
    step.at,
    `${step.from_phase} -> ${step.to_phase}`,
    ...(step.chain_attempt > 1 ? [`attempt ${step.chain_attempt}`] : []),
    ...[step.actor, step.cause, ...(step.tx_hash ? [step.tx_hash] : [])],
  ].join("  ");
