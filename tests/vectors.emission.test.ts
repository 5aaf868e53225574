import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkpointRow } from "../api/contract/checkpoints.ts";
import { cliFormat, prizesOf, type ReportedCheckpoint, rewardRows } from "../domain/checkpoint-reports.ts";
import { peerGet } from "../domain/compat/checkpoint-routes.ts";
import { peerConfirm, peerStatusChange } from "../domain/compat/checkpoint-status.ts";
import {
  PeerHttpError,
  peerCheckpoint,
  peerCliFormat,
  peerHead,
  peerPrizes,
  peerRewards,
} from "../domain/compat/checkpoints.ts";
import { peerContributionEmission, peerFrac64, peerTierEmission } from "../domain/compat/emission.ts";
import { rewardsOf, sealedRule } from "../domain/emission/rule.ts";
import { rank } from "../domain/emission.ts";
import { isEnsembleModel } from "../domain/ensembles.ts";
import { PeriodMeans } from "../domain/period-means.ts";
import { contender } from "./contenders.ts";
import { type VectorCase, vectorCases } from "./vector-files.ts";

const reward = z.object({ cruncher_index: z.number(), reward_pct: z.number() });
const provider = z.object({ provider: z.string(), reward_pct: z.number() });
const emission = z.strictObject({
  crunch: z.string(),
  cruncher_rewards: z.array(reward),
  compute_provider_rewards: z.array(provider),
  data_provider_rewards: z.array(provider),
});
const summary = z.record(z.string(), z.unknown());
const built = z.object({
  ranked_entries: z.array(z.looseObject({ rank: z.unknown().optional(), result_summary: summary.optional() })),
  crunch_pubkey: z.string(),
  compute_provider: z.string().nullish(),
  data_provider: z.string().nullish(),
  rank_weight: z.number().optional(),
  contribution_weight: z.number().optional(),
  diversity_weight: z.number().optional(),
  min_pct: z.number().optional(),
});
const rankingRow = z.object({
  ...{ model_id: z.string(), model_name: z.string().nullable(), cruncher_name: z.string().nullable() },
  ...{ prediction_count: z.number(), snapshot_count: z.number(), result_summary: summary, rank: z.number() },
});
const checkpoint = z.object({
  ...{ id: z.string(), period_start: z.string(), period_end: z.string(), status: z.string() },
  entries: z.array(emission),
  meta: z.looseObject({ ranking: z.array(rankingRow) }),
});
const one = z.object({ checkpoint: checkpoint.nullable(), total_prize: z.number().default(0) });
const period = z.object({
  ...{ now: z.string(), last_period_end: z.string().nullable(), interval_seconds: z.number() },
  ...{ ranking_key: z.string(), ranking_direction: z.string(), crunch_pubkey: z.string() },
  ...{ compute_provider: z.string().nullish(), data_provider: z.string().nullish() },
  snapshots: z.array(
    z.looseObject({
      ...{ model_id: z.string(), period_end: z.string(), prediction_count: z.number(), result_summary: summary },
    }),
  ),
});
const expectation = z.looseObject({ error: z.looseObject({ message: z.string(), status: z.number().optional() }) });

const cases = vectorCases("emission.json");
const named = (fn: string): (readonly [string, VectorCase])[] =>
  cases.filter((c) => c.fn === fn).map((c) => [c.name, c] as const);
const value = (c: VectorCase): unknown => z.object({ value: z.unknown() }).parse(c.expected).value;

/** What the peer answers; where it raises, ours must, with its words where a client sees them. */
function agree(c: VectorCase, answer: () => unknown): void {
  const failed = expectation.safeParse(c.expected);
  if (!failed.success) {
    expect(answer()).toEqual(value(c));
    return;
  }
  const { status, message } = failed.data.error;
  if (status === undefined) expect(answer).toThrow();
  else expect(answer).toThrow(expect.objectContaining({ status, message }));
}
/** Numbers within the vectors' 1e-9 of their value. */
const close = (x: unknown): unknown =>
  typeof x === "number" && !Number.isInteger(x) ? expect.closeTo(x, 9) : mapped(x, close);
function mapped(x: unknown, each: (part: unknown) => unknown): unknown {
  if (Array.isArray(x)) return x.map(each);
  if (typeof x !== "object" || x === null) return x;
  return Object.fromEntries(Object.entries(x).map(([name, part]) => [name, each(part)]));
}
const inputOf = (c: VectorCase) => {
  const { ranked_entries, crunch_pubkey, compute_provider, data_provider, ...weights } = built.parse(c.input);
  return {
    ranked_entries,
    crunch: crunch_pubkey,
    providers: { compute: compute_provider, data: data_provider },
    weights,
  };
};
const checkpointOf = (c: VectorCase) => {
  const { checkpoint: found, total_prize } = one.parse(c.input);
  if (!found) throw new PeerHttpError(404, "Checkpoint not found");
  return { found, total_prize };
};
const objects = (x: unknown): unknown =>
  x instanceof Map ? Object.fromEntries([...x].map(([k, v]) => [k, objects(v)])) : mapped(x, objects);

describe("emission.json, as the peer answers (compat)", () => {
  test.each(named("default_build_emission"))("%s", (_name, c) => {
    const { ranked_entries, crunch, providers } = inputOf(c);
    agree(c, () => peerTierEmission(ranked_entries, crunch, providers));
  });
  test.each(named("contribution_weighted_emission"))("%s", (_name, c) => {
    const { ranked_entries, crunch, providers, weights: w } = inputOf(c);
    const weights = { rank: w.rank_weight, contribution: w.contribution_weight, diversity: w.diversity_weight };
    agree(c, () => peerContributionEmission(ranked_entries, crunch, providers, { ...weights, minPercent: w.min_pct }));
  });
  test.each(named("pct_to_frac64"))("%s", (_name, c) => {
    const { pct } = z.object({ pct: z.custom<number>((x) => typeof x === "number") }).parse(c.input);
    const answer = () => peerFrac64(pct);
    if (expectation.safeParse(c.expected).success) {
      expect(answer).toThrow();
      return;
    }
    const expected = z.union([z.number(), z.object({ $int: z.string() }).transform((x) => x.$int)]).parse(value(c));
    expect(answer()).toBe(BigInt(expected));
  });
  test.each(named("CheckpointService.create_checkpoint"))("%s", (_name, c) => {
    const { snapshots, last_period_end, interval_seconds, ranking_key, ranking_direction, ...p } = period.parse(
      c.input,
    );
    const made = peerCheckpoint(snapshots, {
      ...{ now: p.now, lastPeriodEnd: last_period_end, intervalSeconds: interval_seconds, rankingKey: ranking_key },
      ...{ direction: ranking_direction, crunch: p.crunch_pubkey },
      providers: { compute: p.compute_provider, data: p.data_provider },
    });
    if (value(c) === null) {
      expect(made).toBeNull();
      return;
    }
    const { period_start, period_end, ...expected } = z
      .looseObject({ period_start: z.string(), period_end: z.string() })
      .parse(value(c));
    const { startMs, endMs, ...rest } = made!;
    expect([startMs, endMs]).toEqual([Date.parse(period_start), Date.parse(period_end)]);
    expect(rest).toEqual(close(expected));
  });
  test.each(named("cli_format"))("%s", (_name, c) => {
    agree(c, () => objects(peerCliFormat(checkpointOf(c).found)));
  });
  test.each(named("prizes"))("%s", (_name, c) => {
    agree(c, () => {
      const { found, total_prize } = checkpointOf(c);
      return peerPrizes(found, total_prize);
    });
  });
  test.each(named("checkpoint_rewards"))("%s", (_name, c) => {
    const { checkpoints } = z.object({ checkpoints: z.array(checkpoint) }).parse(c.input);
    expect(checkpoints.flatMap(peerRewards)).toEqual(value(c));
  });
  test.each(named("latest_prizes"))("%s", (_name, c) => {
    const { checkpoint: found, total_prize } = one.parse(c.input);
    agree(c, () => ({ ...peerHead(found), total_prize, prizes: peerPrizes(found!, total_prize) }));
  });
  test.each(named("latest_emission"))("%s", (_name, c) => {
    const { checkpoint: found } = one.parse(c.input);
    agree(c, () => ({ ...peerHead(found), emission: found!.entries[0] }));
  });
  test.each(named("payload"))("%s", (_name, c) => {
    const { found } = checkpointOf(c);
    const { status: _, ...head } = peerHead(found);
    agree(c, () => ({ ...head, entries: found.entries }));
  });

  const status = z.enum(["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"]);
  test.each(named("patch_status"))("%s", (_name, c) => {
    const { from, to } = z.object({ from: status, to: z.unknown() }).parse(c.input);
    agree(c, () => peerStatusChange(from, to));
  });
  test.each(named("confirm"))("%s", (_name, c) => {
    const { from, body } = z.object({ from: status, body: z.looseObject({}) }).parse(c.input);
    agree(c, () => peerConfirm(from, body));
  });
  test.each(named("HTTP GET"))("%s", (_name, c) => {
    const { path, latest_checkpoint_id } = asked.parse(c.input);
    const { status, body, body_keys } = answered.parse(c.expected);
    const answer = peerGet(path, { ...anyCheckpoint(), id: latest_checkpoint_id });
    expect(answer.status).toBe(status);
    if (body !== null) expect(answer.body).toEqual(body);
    if (typeof body_keys === "string") expect(`list of ${(answer.body as unknown[]).length}`).toBe(body_keys);
  });
});

const asked = z.object({ path: z.string(), latest_checkpoint_id: z.string() });
const answered = z.object({
  status: z.number(),
  body: z.unknown(),
  body_keys: z.union([z.array(z.string()), z.string()]).nullable(),
});
/** One with three models, as the cases of routes have it. */
const anyCheckpoint = () => one.parse(named("latest_prizes")[0]![1].input).checkpoint!;

describe("emission.json, as ours answers", () => {
  /** Ranks as a ranking of ours has them: from 1 without a gap, best first. Others cannot come up. */
  const inOrder = (entries: readonly { rank?: unknown }[]): boolean => entries.every((e, i) => e.rank === i + 1);
  const measured = (entries: z.output<typeof built>["ranked_entries"]): boolean =>
    entries.every(({ result_summary = {} }) =>
      ["contribution", "model_correlation"].every((name) => Number.isFinite(result_summary[name])),
    );
  const rankedAs = (entries: z.output<typeof built>["ranked_entries"]) =>
    entries.map(({ result_summary }, i) => ({
      ...contender(`m${i}`, -i, { summary: (result_summary ?? {}) as Record<string, number> }),
      rank: i + 1,
    }));
  /** The peer gives what rounding leaves over to the first; ours to the largest remainders. */
  function expectShares(given: readonly { frac64: number }[], c: VectorCase): void {
    const peer = z
      .object({ value: emission })
      .parse(c.expected)
      .value.cruncher_rewards.map((r) => r.reward_pct);
    expect(given).toHaveLength(peer.length);
    for (const [i, { frac64 }] of given.entries())
      expect(Math.abs(frac64 - peer[i]!), `place ${i + 1}`).toBeLessThanOrEqual(i === 0 ? peer.length : 1);
    expect(given.reduce((sum, g) => sum + g.frac64, 0)).toBe(peer.length === 0 ? 0 : 1_000_000_000);
  }

  test.each(named("default_build_emission").filter(([, c]) => inOrder(built.parse(c.input).ranked_entries)))(
    "%s",
    (_name, c) => expectShares(rewardsOf(sealedRule(), rankedAs(built.parse(c.input).ranked_entries)), c),
  );
  test.each(
    named("contribution_weighted_emission").filter(([, c]) => {
      const { ranked_entries } = built.parse(c.input);
      return inOrder(ranked_entries) && measured(ranked_entries);
    }),
  )("%s", (_name, c) => {
    const { ranked_entries, weights: w } = inputOf(c);
    const rule = sealedRule({
      strategy: "contribution_weighted",
      weights: {
        ...{ rank: w.rank_weight ?? 0.5, contribution: w.contribution_weight ?? 0.3 },
        diversity: w.diversity_weight ?? 0.2,
      },
      ...(w.min_pct === undefined ? {} : { minPercent: w.min_pct }),
    });
    expectShares(rewardsOf(rule, rankedAs(ranked_entries)), c);
  });

  /** Snapshots inside the half-open period, all with the ranking key, values all different, nobody virtual: what both mean by a ranking. */
  const comparable = ({ snapshots, ...p }: z.output<typeof period>): typeof snapshots | null => {
    const endMs = Date.parse(p.now);
    const startMs = p.last_period_end ? Date.parse(p.last_period_end) : endMs - p.interval_seconds * 1_000;
    const times = snapshots.map((s) => Date.parse(s.period_end));
    const inside = snapshots.filter((_, i) => times[i]! > startMs && times[i]! <= endMs);
    const same = !times.includes(startMs) && inside.length > 0;
    const ranked = inside.every((s) => Number.isFinite(s.result_summary[p.ranking_key]) && s.prediction_count > 0);
    return same && ranked && inside.every((s) => !isEnsembleModel(s.model_id)) ? inside : null;
  };
  test.each(named("CheckpointService.create_checkpoint").filter(([, c]) => comparable(period.parse(c.input)) !== null))(
    "%s",
    (_name, c) => {
      const asked = period.parse(c.input);
      const means = new PeriodMeans();
      for (const { model_id, prediction_count, result_summary } of comparable(asked)!)
        means.add({
          ...{ model_id, model_name: model_id, cruncher_id: model_id, cruncher_name: model_id, prediction_count },
          ...{ result_summary, of_earlier_period: false, superseded: null },
        });
      const ranking = rank(means.contenders(asked.ranking_key), asked.ranking_direction === "desc" ? "desc" : "asc");
      const peer = z
        .object({ value: z.object({ entries: z.array(emission), meta: z.object({ ranking: z.array(rankingRow) }) }) })
        .parse(c.expected).value;
      const theirs = peer.meta.ranking.map((m) => ({
        ...{ id: m.model_id, rank: m.rank, predictions: m.prediction_count, snapshots: m.snapshot_count },
        value: m.result_summary[asked.ranking_key],
      }));
      const own = ranking.map((m) => ({
        ...{ id: m.modelId, rank: m.rank, predictions: m.predictionCount, snapshots: m.snapshotCount },
        value: m.value,
      }));
      expect(own).toEqual(close(theirs));
      expectShares(rewardsOf(sealedRule(), ranking), { ...c, expected: { value: peer.entries[0] } });
    },
  );

  const ours = ({ id, period_start, period_end, meta, entries }: z.output<typeof checkpoint>): ReportedCheckpoint => {
    const shares = entries[0]?.cruncher_rewards ?? [];
    const ranking = meta.ranking.map((m, i) => ({
      ...{ model_id: m.model_id, model_name: m.model_name ?? "", cruncher_id: m.model_id, rank: m.rank },
      ...{ prediction_count: m.prediction_count, reward_frac64: shares[i]?.reward_pct ?? 0 },
      // no summary of ours has booleans or texts: means are of numbers
      result_summary: Object.fromEntries(Object.entries(m.result_summary).filter(([, v]) => typeof v === "number")),
    }));
    const recipients = ranking.map((m) => ({
      ...{ cruncher_id: m.cruncher_id, address: `wallet of ${m.model_id}`, frac64: m.reward_frac64 },
    }));
    const reported = { id, periodStart: period_start, periodEnd: period_end };
    return { ...reported, ranking, recipients, emission: entries[0] ?? null };
  };
  /** Every reward is of a ranked model. */
  const complete = ({ meta, entries }: z.output<typeof checkpoint>): boolean =>
    (entries[0]?.cruncher_rewards ?? []).length === meta.ranking.length && entries.length > 0;

  test.each(named("prizes").filter(([, c]) => complete(one.parse(c.input).checkpoint ?? NONE)))("%s", (_name, c) => {
    const { found, total_prize } = checkpointOf(c);
    const prizes = prizesOf(ours(found), total_prize);
    const peer = z.array(z.object({ prize: z.number() })).parse(value(c));
    expect(prizes.reduce((sum, p) => sum + p.prize, 0)).toBe(found.meta.ranking.length === 0 ? 0 : total_prize);
    for (const [i, { prize }] of prizes.entries()) expect(Math.abs(prize - peer[i]!.prize)).toBeLessThanOrEqual(1);
    expect(prizes.map(({ prize: _, ...p }) => p)).toMatchObject(
      z.array(z.object({ prizeId: z.string(), timestamp: z.number(), model: z.string() })).parse(value(c)),
    );
  });
  test.each(named("cli_format").filter(([, c]) => complete(one.parse(c.input).checkpoint ?? NONE)))(
    "%s",
    (_name, c) => {
      const { found } = checkpointOf(c);
      const given = cliFormat(found.entries[0]!, ours(found).recipients);
      const peer = z.object({ crunchEmission: z.record(z.string(), z.number()) }).parse(value(c)).crunchEmission;
      for (const { model_id } of found.meta.ranking)
        expect(given.crunchEmission[`wallet of ${model_id}`]).toBeCloseTo(peer[model_id]!, 5);
    },
  );
  test.each(named("checkpoint_rewards"))("%s", (_name, c) => {
    const { checkpoints } = z.object({ checkpoints: z.array(checkpoint) }).parse(c.input);
    const peer = z.array(z.looseObject({ reward_pct: z.number().nullable() })).parse(value(c));
    const rows = checkpoints.flatMap((each) => rewardRows(ours(each)));
    for (const [i, { reward_pct, ...row }] of rows.entries()) {
      const { reward_pct: percent, ok: _, ...same } = peer[i]!;
      expect(row).toEqual(same);
      if (percent === null) expect(reward_pct).toBeNull();
      else expect(reward_pct).toBeCloseTo(percent, 4);
    }
  });
  test.each(named("HTTP GET").filter(([, c]) => Array.isArray(answered.parse(c.expected).body_keys)))(
    "%s has the same fields",
    (_name, c) => expect(Object.keys(checkpointRow.shape)).toEqual(answered.parse(c.expected).body_keys),
  );
});
const NONE = { id: "", period_start: "", period_end: "", status: "", entries: [], meta: { ranking: [] } };
