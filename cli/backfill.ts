import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { backfillJob } from "../api/contract/backfill.ts";
import type { BackfillCommand } from "../domain/backfill.ts";
import type { BackfillFlags } from "./backfill-flags.ts";
import { askNode } from "./report-api.ts";

type Job = z.infer<typeof backfillJob>;
const LOOK_MS = 500;
const OVER: readonly Job["status"][] = ["completed", "failed", "cancelled", "paused"];

export async function startBackfillCommand(stream: string, flags: BackfillFlags): Promise<void> {
  const [source, subject, kind, granularity] = stream.split("/");
  const body = {
    ...{ source, subject, kind, granularity },
    ...{ start: flags.from, end: flags.to ?? new Date().toISOString() },
  };
  const path = "/reports/backfill";
  let job = await askNode({ to: flags.node, method: "POST", path, body }, backfillJob);
  while (flags.wait && !OVER.includes(job.status)) {
    await delay(LOOK_MS);
    job = await jobById(job.id, flags);
  }
  print(job, flags);
  if (flags.wait && job.status !== "completed") process.exitCode = 1;
}

export async function listBackfillsCommand(flags: BackfillFlags): Promise<void> {
  const query = flags.status ? `?status=${flags.status}` : "";
  const jobs = await askNode({ to: flags.node, path: `/reports/backfill/jobs${query}` }, z.array(backfillJob));
  if (flags.json) process.stdout.write(`${JSON.stringify(jobs)}\n`);
  else process.stdout.write(`${jobs.map(lineOf).join("\n") || "none"}\n`);
}

export async function showBackfillCommand(id: string, flags: BackfillFlags): Promise<void> {
  print(await jobById(id, flags), flags);
}

export async function tellBackfillCommand(id: string, command: BackfillCommand, flags: BackfillFlags): Promise<void> {
  const path = `/reports/backfill/jobs/${encodeURIComponent(id)}/${command}`;
  print(await askNode({ to: flags.node, method: "POST", path }, backfillJob), flags);
}

const jobById = (id: string, flags: BackfillFlags): Promise<Job> =>
  askNode({ to: flags.node, path: `/reports/backfill/jobs/${encodeURIComponent(id)}` }, backfillJob);

const print = (job: Job, { json }: BackfillFlags): void =>
  void process.stdout.write(json ? `${JSON.stringify(job)}\n` : `${lineOf(job)}\n`);

const lineOf = (job: Job): string =>
  [
    job.id,
    `${job.source}/${job.subject}/${job.kind}/${job.granularity}`,
    `${job.status} ${job.progress_pct} %`,
    `${job.records_written} records`,
    ...(job.error === null ? [] : [job.error]),
  ].join("  ");
