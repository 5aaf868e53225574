import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { askJson } from "./http-json.ts";

const POLL_MS = 500;
const TRY_MS = 3000;
const HTTP_OK = 200;
const ENOUGH = "100";

const health = z.object({ status: z.literal("ok") });
const predictions = z.array(z.object({ model_id: z.string(), score_failed: z.boolean() }));
const checkpoint = z.object({ id: z.string(), status: z.string() });

export type Watch = {
  /** Where the API answers, without a slash at the end. */
  base: string;
  apiKey: string | undefined;
  /** What happened before does not count. */
  since: Date;
  signal: AbortSignal;
};

function createReader({ base, apiKey }: Watch) {
  const headers: Record<string, string> = apiKey ? { "x-api-key": apiKey } : {};
  return async function read<T>(path: string, shape: z.ZodType<T>): Promise<T | undefined> {
    try {
      const { status, body } = await askJson(base + path, { headers, withinMs: TRY_MS });
      return status === HTTP_OK ? shape.safeParse(body).data : undefined;
    } catch {
      return undefined; // not up yet, or restarting
    }
  };
}

/** Asks again and again until there is an answer; undefined when the watch has ended. */
async function until<T>(ask: () => Promise<T | undefined>, signal: AbortSignal): Promise<T | undefined> {
  while (!signal.aborted) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Tells, once each and in this order, what a newcomer waits for: the API answers, predictions, scores, a paid checkpoint. */
export async function watchMilestones(
  watch: Watch,
  tell: { healthy(): void; event(text: string): void },
): Promise<void> {
  const read = createReader(watch);
  const latest = () => read("/reports/checkpoints/latest", checkpoint);
  const newest = async (status?: string) => {
    const range = { start: watch.since.toISOString(), limit: ENOUGH, ...(status ? { status } : {}) };
    const rows = await read(`/reports/predictions?${new URLSearchParams(range)}`, predictions);
    return rows?.length ? rows : undefined;
  };

  if (!(await until(() => read("/healthz", health), watch.signal))) return;
  tell.healthy();
  const before = await latest();
  const answers = async () => {
    const rows = await newest();
    return rows?.some(({ score_failed }) => !score_failed) ? rows : undefined; // rounds missed while the node was down do not count
  };
  const predicted = await until(answers, watch.signal);
  if (!predicted) return;
  const models = new Set(predicted.map(({ model_id }) => model_id));
  const answered = new Set(predicted.flatMap(({ model_id, score_failed }) => (score_failed ? [] : [model_id])));
  tell.event(`first predictions ${answered.size}/${models.size} models -> ${watch.base}/reports/predictions`);
  if (!(await until(() => newest("SCORED"), watch.signal))) return;
  tell.event(`first scores -> ${watch.base}/reports/leaderboard`);
  const isNew = (id: string) => before?.status !== "PAID" || before.id !== id;
  const paid = await until(async () => {
    const now = await latest();
    return now?.status === "PAID" && isNew(now.id) ? now : undefined;
  }, watch.signal);
  if (paid) tell.event(`checkpoint ${paid.id} PAID on the chain -> ${watch.base}/reports/checkpoints/latest`);
}
