import type { z } from "zod";
import type { Stream } from "./binance.ts";
import {
  arrivalOf,
  candleRecord,
  combinedFrame,
  depthFrame,
  depthRecord,
  fundingRecord,
  klineEvent,
  markPriceEvent,
  tradeEvent,
  tradeRecord,
} from "./binance-messages.ts";
import { type Delivery, delivery } from "./delivery.ts";
import type { FeedRecord, FeedSink } from "./feed.ts";
import { markOpen } from "./open-candle.ts";
import { keepConnected } from "./reconnect.ts";
import { excerpt, unreadable } from "./report.ts";
import { openSocket } from "./socket.ts";

/** Streams for ever; settles when `signal` aborts. */
export async function listenTo(stream: Stream, sink: FeedSink, signal: AbortSignal): Promise<void> {
  const { patience, report, history } = stream.binance;
  const hasHistory = ["candle", "trade", "tick"].includes(stream.kind);
  const target = delivery({
    ...{ sink, report, signal, gapMs: patience.gapMs, retryMs: patience.retryMs },
    ...(hasHistory ? { history: history.gap(stream.labelsOf, stream.interval, stream.stepMs) } : {}),
  });
  const read = reader(stream);
  await keepConnected({ signal, retryMs: patience.retryMs, report }, () => follow(stream, read, target, signal));
  await target.finish();
}

async function follow(stream: Stream, read: Reader, target: Delivery, signal: AbortSignal): Promise<void> {
  const { binance, subjects } = stream;
  const url = `${stream.kind === "funding" ? binance.futuresStreamUrl : binance.streamUrl}/stream?streams=`;
  const names = subjects.map((subject) => streamName(subject, stream));
  const frames = await openSocket({ url: url + names.join("/"), silenceMs: binance.patience.silenceMs, signal });
  binance.report({ kind: "connected", detail: `${names.length} streams of ${new URL(url).host}` });
  // order book and funding show no gap of their own: a lost connection is one
  if (stream.kind === "depth" || stream.kind === "funding") target.doubt();
  for (let batch = await frames.take(); batch !== null; batch = await frames.take())
    await target.take(batch.flatMap(read).map((record) => arrivalOf(record, stream.stepMs)));
}

function streamName(subject: string, { kind, interval, stepMs, binance }: Stream): string {
  const symbol = subject.toLowerCase();
  if (kind === "candle") return `${symbol}@kline_${interval}`;
  if (kind === "depth") return `${symbol}@depth${binance.levels.asked}${stepMs < 1_000 ? "@100ms" : ""}`;
  if (kind === "funding") return `${symbol}@markPrice${stepMs < 3_000 ? "@1s" : ""}`;
  return `${symbol}@aggTrade`;
}

/** The final records of a frame, none for most. */
type Reader = (frame: string) => FeedRecord[];

function reader(stream: Stream): Reader {
  const { report } = stream.binance;
  const subjectOf = new Map(stream.subjects.map((subject) => [subject.toLowerCase(), subject]));
  const read = READERS[stream.kind]!(stream);
  return (frame) => {
    let json: unknown;
    try {
      json = JSON.parse(frame);
    } catch {
      report({ kind: "malformed", detail: `a frame that is no JSON: ${excerpt(frame)}` });
      return [];
    }
    const outer = combinedFrame.safeParse(json);
    if (!outer.success) return []; // answers to commands, notices of a shutdown
    const subject = subjectOf.get(outer.data.stream.split("@")[0]!);
    if (subject === undefined) {
      report({ kind: "malformed", detail: `a stream nobody asked for: ${excerpt(outer.data.stream)}` });
      return [];
    }
    const result = read(subject, outer.data.data);
    if ("error" in result) {
      report({ ...unreadable(outer.data.stream, outer.data.data, result.error), subject });
      return [];
    }
    return result.records;
  };
}

type Read = (subject: string, data: unknown) => { records: FeedRecord[] } | { error: z.ZodError };

/** Parses, then makes records of what was parsed. */
function parsed<T>(schema: z.ZodType<T>, records: (subject: string, value: T) => FeedRecord[]): Read {
  return (subject, data) => {
    const result = schema.safeParse(data);
    return result.success ? { records: records(subject, result.data) } : { error: result.error };
  };
}

/** The first of each step, by the source's own time: many a second would say the same. */
function sampler(stepMs: number): (subject: string, atMs: number) => boolean {
  const lastStep = new Map<string, number>();
  return (subject, atMs) => {
    const step = Math.floor(atMs / stepMs);
    if (step <= (lastStep.get(subject) ?? Number.NEGATIVE_INFINITY)) return false;
    lastStep.set(subject, step);
    return true;
  };
}

const readTrades = ({ labelsOf }: Stream): Read =>
  parsed(tradeEvent, (subject, event) => [tradeRecord(labelsOf(subject), event)]);

const READERS: Readonly<Record<string, (stream: Stream) => Read>> = {
  candle: ({ labelsOf, interval, stepMs, binance }) =>
    parsed(
      klineEvent.refine(({ k }) => k.interval === interval && k.startMs % stepMs === 0, "another interval"),
      (subject, { k }) => {
        const candle = candleRecord(labelsOf(subject), k.startMs, k.values);
        if (k.closed) return [candle];
        binance.onOpen?.(markOpen(candle));
        return [];
      },
    ),
  trade: readTrades,
  tick: readTrades,
  depth: ({ labelsOf, stepMs, binance }) => {
    const isDue = sampler(stepMs);
    return parsed(depthFrame, (subject, frame) => {
      const atMs = Math.round(binance.clock.now()); // the frame has no time of its own
      return isDue(subject, atMs) ? [depthRecord(labelsOf(subject), atMs, frame, binance.levels.used)] : [];
    });
  },
  funding: ({ labelsOf, stepMs }) => {
    const isDue = sampler(stepMs);
    return parsed(markPriceEvent, (subject, event) =>
      isDue(subject, event.E) ? [fundingRecord(labelsOf(subject), event)] : [],
    );
  },
};
