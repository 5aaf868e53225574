import { type Arrivals, arrivals } from "./arrivals.ts";
import { type Bar, type CandleBuilder, candleBuilder } from "./candles.ts";
import { type Arrival, type Delivery, delivery, type GapHistory } from "./delivery.ts";
import { openEventStream } from "./event-stream.ts";
import type { FeedRecord, FeedSink } from "./feed.ts";
import { markOpen } from "./open-candle.ts";
import type { Pyth, PythStream } from "./pyth.ts";
import { type PythUpdate, priceUpdate, updates } from "./pyth-messages.ts";
import { candleRecord, tickRecord } from "./pyth-records.ts";
import { keepConnected } from "./reconnect.ts";
import { excerpt, unreadable } from "./report.ts";

/** How often candles are looked at whose end nothing has shown, ms. */
const LOOK_MS = 250;

/** Streams for ever; settles when `signal` aborts. `open` resolves subjects, which needs the source; it is asked until it answers. */
export async function listenTo(
  pyth: Pyth,
  open: () => Promise<PythStream>,
  stepMs: number,
  sink: FeedSink,
  signal: AbortSignal,
): Promise<void> {
  const { patience, report } = pyth;
  let opened: PythStream | undefined;
  const target = delivery({
    ...{ sink, report, signal, gapMs: patience.gapMs, retryMs: patience.retryMs },
    history: (gap, aborted) => gapHistory(opened!, stepMs)(gap, aborted),
  });
  let reading: Reading | undefined;
  await keepConnected({ signal, retryMs: patience.retryMs, report }, async () => {
    opened ??= await open();
    reading ??= opened.kind === "candle" ? candleReading(opened) : tickReading(opened);
    await follow(opened, reading, target, signal);
  });
  await target.finish();
}

/** Turns updates into what is delivered. */
interface Reading {
  take(subject: string, update: PythUpdate): Arrival[];
  /** what is over because time has passed on a connection that was alive at `heardMs`, our clock */
  ended(heardMs: number): Arrival[];
  doubt(): void;
}

async function follow(stream: PythStream, reading: Reading, target: Delivery, signal: AbortSignal): Promise<void> {
  const { pyth, feeds, kind } = stream;
  const ids = new URLSearchParams();
  for (const { id } of feeds.values()) ids.append("ids[]", id);
  let heardMs = 0;
  const frames = await openEventStream({
    url: `${pyth.hermesUrl}/v2/updates/price/stream?${ids}&parsed=true&allow_unordered=false&benchmarks_only=false`,
    ...{ headers: pyth.headers, silenceMs: pyth.patience.silenceMs, signal },
    onHeard: () => {
      heardMs = Date.now();
    },
    onAnswer: ({ headers }, sentMs) => {
      const dateMs = Date.parse(headers.get("date") ?? "");
      if (Number.isFinite(dateMs)) pyth.clock.observe(dateMs, sentMs, Date.now(), 1_000);
    },
  });
  pyth.report({ kind: "connected", detail: `${feeds.size} price feeds of ${new URL(pyth.hermesUrl).host}` });
  const doubt = (): void => {
    reading.doubt();
    if (kind === "tick") target.doubt(); // a second holds several updates: times alone do not show that one is missing
  };
  doubt();
  const subjectOf = new Map([...feeds].map(([subject, { id }]) => [id, subject]));
  for (let batch = await frames.take(LOOK_MS); batch !== null; batch = await frames.take(LOOK_MS)) {
    const out: Arrival[] = [];
    for (const frame of batch)
      for (const update of updatesIn(frame, pyth, doubt)) {
        const subject = subjectOf.get(update.id);
        if (subject !== undefined) out.push(...reading.take(subject, update));
      }
    await target.take([...out, ...reading.ended(heardMs)]);
  }
}

/** The updates of one event that read; each that does not is reported and casts doubt on what was heard. */
function updatesIn(frame: string, { report }: Pyth, doubt: () => void): PythUpdate[] {
  let parsed: unknown[];
  try {
    parsed = updates.parse(JSON.parse(frame)).parsed ?? [];
  } catch {
    report({ kind: "malformed", detail: `an event that is no update: ${excerpt(frame)}` });
    doubt();
    return [];
  }
  return parsed.flatMap((part) => {
    const read = priceUpdate.safeParse(part);
    if (read.success) return [read.data];
    report(unreadable("an update", part, read.error));
    doubt();
    return [];
  });
}

const tickReading = ({ labelsOf }: PythStream): Reading => ({
  take: (subject, update) => {
    const record = tickRecord(labelsOf(subject), update);
    return [{ record, sequence: update.atMs, previous: update.previousMs }];
  },
  ended: () => [],
  doubt: () => undefined,
});

/** Candles of each subject, made of ticks from which doubles are taken out; a tick out of order leaves its candle to history. */
function candleReading({ pyth, subjects, labelsOf, stepMs }: PythStream): Reading {
  const { report } = pyth;
  const own = new Map<string, { ticks: Arrivals; builder: CandleBuilder; tickedMs: number }>();
  for (const subject of subjects) {
    const toRecord = (bar: Bar) => candleRecord(labelsOf(subject), bar);
    const builder = candleBuilder(stepMs, toRecord, report, subject);
    own.set(subject, { ticks: arrivals(subject, report), builder, tickedMs: 0 });
  }
  return {
    take: (subject, update) => {
      const mine = own.get(subject)!;
      const { ticks, builder } = mine;
      mine.tickedMs = Date.now();
      const record = tickRecord(labelsOf(subject), update);
      if (!ticks.isNew(record)) return [];
      const arrival = { record, sequence: update.atMs, previous: update.previousMs };
      const last = ticks.last;
      const behind = last && (update.atMs < last.sequence || (update.slot ?? 0) < slotOf(last.record));
      ticks.advance(arrival);
      if (behind) {
        ticks.noteLate(arrival);
        builder.doubt();
        return [];
      }
      const ended = builder.add(update);
      const open = pyth.onOpen && builder.current();
      if (open) pyth.onOpen?.(markOpen(open));
      return ended ? [ended] : [];
    },
    ended: (heardMs) => {
      for (const { ticks } of own.values()) ticks.tell();
      // a market may be quiet, a connection that is quiet may be dead, and ticks may be waiting to be read
      const quietMs = Date.now() - pyth.graceMs;
      const sourceMs = heardMs + pyth.clock.skewMs - pyth.graceMs;
      const quiet = [...own.values()].filter(({ tickedMs }) => tickedMs < quietMs);
      return quiet.flatMap(({ builder }) => builder.endAt(sourceMs) ?? []);
    },
    doubt: () => {
      for (const { builder } of own.values()) builder.doubt();
    },
  };
}

/** Without slots a second has one update. */
const slotOf = ({ eventId }: FeedRecord): number => (eventId === "" ? Number.NEGATIVE_INFINITY : Number(eventId));

/** It may lag behind the stream: complete is a history that holds the next arrival, or the candle that this one names as the last. */
const gapHistory =
  ({ pyth, feeds, labelsOf, kind }: PythStream, stepMs: number): GapHistory =>
  async ({ after, before }, signal) => {
    const { subject } = before.record;
    const feed = feeds.get(subject)!;
    const range = { limit: Number.POSITIVE_INFINITY, signal };
    if (kind === "tick") {
      const beforeSlot = slotOf(before.record);
      const [startMs, endMs] = [after.sequence, before.sequence + 1];
      const all = await pyth.history.ticks(feed, { ...range, startMs, endMs });
      const isBefore = ({ atMs, slot = 0 }: PythUpdate): boolean => atMs < before.sequence || slot < beforeSlot;
      const records = all.filter(isBefore).map((update) => tickRecord(labelsOf(subject), update));
      return { records, complete: !all.every(isBefore) };
    }
    const [startMs, endMs] = [after.record.tsEvent + stepMs, before.record.tsEvent];
    const bars = await pyth.history.candles(feed, stepMs, { ...range, startMs, endMs });
    const lastStartMs = Math.floor(before.previous / stepMs) * stepMs;
    const complete = lastStartMs < startMs || bars.some(({ atMs }) => atMs === lastStartMs);
    return { records: bars.map((bar) => candleRecord(labelsOf(subject), bar)), complete };
  };
