import type { TestNode } from "../../node/harness.ts";

/** A feed record as the database has it, in the order of the participants' `Record`. */
export type Recorded = [finalMs: number, close: number, segment: string, beginMs: number, values: unknown];
/** A prediction of a round that is over. */
export interface Answer {
  model: string;
  scope: string;
  subject: string;
  dueMs: number;
  resolveMs: number;
  status: string;
  /** when the candles began that its model was shown, seconds */
  shown: number[];
  output: { value: number } | null;
  truth: unknown;
  result: { value: number } | null;
}
export interface Dump {
  records: Recorded[];
  answers: Answer[];
}

/** What went into the node and what its models said, raw. */
export async function dump({ db }: TestNode, granularityMs: number): Promise<Dump> {
  const feed = await db
    .selectFrom("feed_records")
    .select(["ts_event", "values_jsonb", "meta_jsonb"])
    .orderBy("ts_event")
    .execute();
  const rows = await db
    .selectFrom("predictions as p")
    .innerJoin("rounds as r", "r.id", "p.round_id")
    .leftJoin("inputs as i", "i.id", "r.input_id")
    .leftJoin("truths as t", "t.round_id", "r.id")
    .leftJoin("scores as s", (join) => join.onRef("s.prediction_id", "=", "p.id").on("s.current", "=", true))
    .select(["p.model_id", "p.scope_key", "p.status", "p.inference_output_jsonb", "r.due_at", "r.resolve_at"])
    .select(["r.scope_jsonb", "i.raw_data_jsonb as input", "t.result_jsonb as truth", "s.result_jsonb as result"])
    .where("r.status", "in", ["SCORED", "UNRESOLVABLE", "MISSED"])
    .execute();
  return {
    records: feed.map((r) => {
      const begin = r.ts_event.getTime();
      const [values, meta] = [r.values_jsonb as { close: number }, r.meta_jsonb as { segment?: string }];
      return [begin + granularityMs, values.close, meta.segment ?? "", begin, values];
    }),
    answers: rows.map((r) => ({
      model: r.model_id,
      scope: r.scope_key,
      subject: String((r.scope_jsonb as { subject: string }).subject),
      dueMs: r.due_at.getTime(),
      resolveMs: r.resolve_at.getTime(),
      status: r.status,
      shown: candlesOf(r.input).map((c) => c.ts),
      output: r.inference_output_jsonb as Answer["output"],
      truth: r.truth,
      result: r.result as Answer["result"],
    })),
  };
}

const candlesOf = (input: unknown): { ts: number }[] =>
  Object.entries((input ?? {}) as Record<string, { ts: number }[]>).find(([name]) =>
    name.startsWith("candles_"),
  )?.[1] ?? [];
