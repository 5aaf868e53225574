import { pino } from "pino";
import { featureCall, inputFor, predictCall, tickCall } from "../activities/calls.ts";
import { judge } from "../activities/judge.ts";
import type { Competition, MarketRecord, ScheduledScope } from "../competitions/competition.ts";
import { loadCompetition } from "../competitions/load.ts";
import { sampleValues } from "../competitions/sample-values.ts";
import type { Config } from "../config.ts";
import { granularityMs } from "../domain/granularity.ts";
import { openFeed } from "../feeds/open.ts";
import type { FleetCall } from "../models/client/fleet.ts";
import type { TrialSamples } from "../models/orchestrator/trial.ts";
import { pythonHostOf } from "./competition.ts";
import { loadOptions } from "./load-options.ts";

const ROUNDS = 10;
const TRIAL = "trial";
/** Any instant will do: the packaged series is a function of the clock. */
const AT_MS = Date.UTC(2026, 0, 5);

/** What a model of this competition is asked before it may start: ten rounds over recorded prices, or ten made-up features. */
export async function modelSamples(config: Config): Promise<TrialSamples> {
  await using python = pythonHostOf(config, pino({ level: "silent" }));
  const options = { ...loadOptions(config), python };
  const { competition, scopes } = await loadCompetition(config.COMPETITION, config.FEED_SUBJECTS, options);
  const asked = scopes.length > 0 ? scopes.map((s) => s.scope) : [{ subject: TRIAL }];
  return {
    baseClassname: config.MODEL_BASE_CLASSNAME,
    rounds: scopes.length > 0 ? await overRecords(config, competition, scopes) : overFeatures(competition),
    check: (result) => {
      const verdicts = asked.map((scope) => judge(competition, scope, result)); // rounds of all scopes are tried
      const { status, reason } = verdicts.find((v) => v.status === "PENDING") ?? verdicts[0]!;
      return status === "PENDING" ? null : (reason ?? status);
    },
    deadlineMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
  };
}

async function overRecords(
  config: Config,
  competition: Competition,
  scopes: readonly ScheduledScope[],
): Promise<FleetCall[][]> {
  const records = await sampleRecords(config, scopes[0]!.scope.subject);
  const size = Math.min(config.FEED_CANDLES_WINDOW, records.length - ROUNDS);
  const asked = Array.from({ length: ROUNDS }, async (_, i) => {
    const { scope } = scopes[i % scopes.length]!;
    const seen = records.slice(i, i + size).map((record) => ({ ...record, subject: scope.subject }));
    const newest = seen.at(-1)!;
    const input = await inputFor(competition, scope.subject, newest.tsFinal, seen);
    return [tickCall(competition, scope.subject, input, newest), predictCall(competition, scope)];
  });
  return Promise.all(asked);
}

/** Tournaments have no records: features are made from what the contract says of them. */
const overFeatures = (competition: Competition): FleetCall[][] =>
  sampleValues(competition.input, ROUNDS).map((features, index) => [
    featureCall(competition, { tournamentId: TRIAL, index, features: features as Record<string, unknown> }),
  ]);

async function sampleRecords(config: Config, subject: string): Promise<MarketRecord[]> {
  const stepMs = granularityMs(config.FEED_STREAMS[0].granularity);
  const feed = await openFeed({ source: "replay", subjects: [subject], kind: "candle", options: {} });
  const count = config.FEED_CANDLES_WINDOW + ROUNDS;
  const found = await feed.fetch({
    subjects: [subject],
    kind: "candle",
    granularity: config.FEED_STREAMS[0].granularity,
    startMs: AT_MS,
    endMs: AT_MS + 4 * count * stepMs, // the seam of the series' loop may lie in between
    limit: count,
  });
  const isCandle = config.FEED_STREAMS[0].kind === "candle";
  return found.map(({ tsEvent, values }) => ({
    subject,
    tsEvent,
    tsFinal: tsEvent + (isCandle ? stepMs : 0),
    segment: "",
    values: isCandle ? values : { price: values.close ?? values.price ?? 1 },
  }));
}
