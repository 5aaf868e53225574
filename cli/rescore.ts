import { userInfo } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { rescoreJob, rescoreJobWithDiff } from "../api/contract/rescore.ts";
import { askNode } from "./report-api.ts";
import type { RescoreFlags } from "./rescore-flags.ts";

type Job = z.infer<typeof rescoreJob>;
type JobWithDiff = z.infer<typeof rescoreJobWithDiff>;
const LOOK_MS = 500;
const UNDER_WAY: readonly Job["status"][] = ["pending", "running"];

export async function startRescoreCommand(flags: RescoreFlags): Promise<void> {
  const body = { from: flags.from, to: flags.to ?? new Date().toISOString(), actor: actor() };
  const { id } = await askNode({ to: flags.node, method: "POST", path: "/reports/rescore", body }, rescoreJob);
  let job = await jobById(id, flags);
  while (flags.wait && UNDER_WAY.includes(job.status)) {
    await delay(LOOK_MS);
    job = await jobById(id, flags);
  }
  print(job, flags);
  if (flags.wait && job.status !== "ready") process.exitCode = 1;
}

export async function listRescoresCommand(flags: RescoreFlags): Promise<void> {
  const query = flags.status ? `?status=${flags.status}` : "";
  const jobs = await askNode({ to: flags.node, path: `/reports/rescore/jobs${query}` }, z.array(rescoreJob));
  const text = flags.json ? JSON.stringify(jobs) : jobs.map(lineOf).join("\n") || "none";
  process.stdout.write(`${text}\n`);
}

export async function showRescoreCommand(id: string, flags: RescoreFlags): Promise<void> {
  print(await jobById(id, flags), flags);
}

export async function tellRescoreCommand(id: string, verb: "adopt" | "cancel", flags: RescoreFlags): Promise<void> {
  const path = `/reports/rescore/jobs/${encodeURIComponent(id)}/${verb}`;
  const body = { actor: actor(), reason: flags.reason };
  const job = await askNode({ to: flags.node, method: "POST", path, body }, rescoreJob);
  process.stdout.write(`${flags.json ? JSON.stringify(job) : lineOf(job)}\n`);
}

const actor = (): string => `cli:${userInfo().username}`;

const jobById = (id: string, flags: RescoreFlags): Promise<JobWithDiff> =>
  askNode({ to: flags.node, path: `/reports/rescore/jobs/${encodeURIComponent(id)}` }, rescoreJobWithDiff);

const print = (job: JobWithDiff, { json }: RescoreFlags): void =>
  void process.stdout.write(json ? `${JSON.stringify(job)}\n` : `${[lineOf(job), ...diffLines(job)].join("\n")}\n`);

const lineOf = (job: Job): string =>
  [
    job.id,
    `${job.from} to ${job.to}`,
    `scorer ${job.scorer_hash.slice(0, 12)}`,
    `${job.adopting ? "being adopted" : job.status} ${job.progress_pct} %`,
    `${job.scores} scores of ${job.rounds} rounds, ${job.refused} refused`,
    ...(job.status === "adopted" ? [`${job.adopted} count now, ${job.sealed} stay sealed`] : []),
    ...(job.error === null ? [] : [job.error]),
  ].join("  ");

function diffLines({ diff }: JobWithDiff): string[] {
  if (diff === null) return [];
  const sealed = diff.sealed > 0 ? `, ${diff.sealed} of them sealed by ${diff.checkpoints.join(", ")}` : "";
  return [
    `${diff.changed} of ${diff.scores} values change; an adoption would replace ${diff.replaceable} scores${sealed}`,
    ...diff.rows.map(
      (r) =>
        `  rank ${r.rank_before ?? "-"} -> ${r.rank_after ?? "-"}  mean ${r.value_before ?? "-"} -> ${r.value_after ?? "-"}  ${r.model_id}`,
    ),
  ];
}
