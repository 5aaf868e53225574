import { predictCall, tickCall } from "../activities/collect.ts";
import { judge } from "../activities/judge.ts";
import type { MarketRecord } from "../competitions/competition.ts";
import { loadCompetition } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import { granularityMs } from "../domain/granularity.ts";
import { openFeed } from "../feeds/open.ts";
import type { TrialSamples } from "../models/orchestrator/trial.ts";

const ROUNDS = 10;
/** Any instant will do: the packaged series is a function of the clock. */
const AT_MS = Date.UTC(2026, 0, 5);

/** What a model of this competition is asked before it may start: ten rounds over recorded prices. */
export async function modelSamples(config: Config): Promise<TrialSamples> {
  const { competition, scopes } = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS);
  const records = await sampleRecords(config, scopes[0]!.scope.subject);
  const size = Math.min(config.FEED_CANDLES_WINDOW, records.length - ROUNDS);
  const rounds = Array.from({ length: ROUNDS }, (_, i) => {
    const { scope } = scopes[i % scopes.length]!;
    const seen = records.slice(i, i + size).map((record) => ({ ...record, subject: scope.subject }));
    const newest = seen.at(-1)!;
    const input = competition.buildInput(scope.subject, newest.tsFinal, seen);
    return [tickCall(competition, scope.subject, input, newest), predictCall(competition, scope)];
  });
  return {
    baseClassname: config.MODEL_BASE_CLASSNAME,
    rounds,
    check: (result) => {
      const { status, reason } = judge(competition, result);
      return status === "PENDING" ? null : (reason ?? status);
    },
    deadlineMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
  };
}

async function sampleRecords(config: Config, subject: string): Promise<MarketRecord[]> {
  const stepMs = granularityMs(config.FEED_GRANULARITY);
  const feed = await openFeed({ source: "replay", subjects: [subject], kind: "candle", options: {} });
  const count = config.FEED_CANDLES_WINDOW + ROUNDS;
  const found = await feed.fetch({
    subjects: [subject],
    kind: "candle",
    granularity: config.FEED_GRANULARITY,
    startMs: AT_MS,
    endMs: AT_MS + 4 * count * stepMs, // the seam of the series' loop may lie in between
    limit: count,
  });
  const isCandle = config.FEED_KIND === "candle";
  return found.map(({ tsEvent, values }) => ({
    subject,
    tsEvent,
    tsFinal: tsEvent + (isCandle ? stepMs : 0),
    segment: "",
    values: isCandle ? values : { price: values.close ?? values.price ?? 1 },
  }));
}
