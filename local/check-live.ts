/** `npm run check:live`: asks the real Pyth and Binance for a list, for history and for a live stream. Exit code 1 where one of them fails. */
import { environment, readConfig } from "../config.ts";
import type { FeedEvent, FeedRecord } from "../feeds/feed.ts";
import { openFeed } from "../feeds/open.ts";

const LISTEN_MS = 15_000;
const HISTORY_MS = 120_000;
const LONGEST_MS = 60_000;

interface Probe {
  source: string;
  kind: string;
  granularity: string;
  subject: string;
  /** an order book has none */
  hasHistory: boolean;
}
const probe = (source: string, kind: string, subject: string, hasHistory = true): Probe => {
  return { source, kind, granularity: "1s", subject, hasHistory };
};
const PROBES = [
  probe("pyth", "tick", "BTC"),
  probe("pyth", "candle", "BTC"),
  probe("binance", "candle", "BTCUSDT"),
  probe("binance", "trade", "BTCUSDT"),
  probe("binance", "depth", "BTCUSDT", false),
  probe("binance", "funding", "BTCUSDT", false),
];

/** Listens for a while; `newestMs` is how old the newest record was when it came. */
async function live(feed: Awaited<ReturnType<typeof openFeed>>, { kind, granularity, subject }: Probe) {
  const records: FeedRecord[] = [];
  let newestMs = Number.NaN;
  const sink = async (batch: FeedRecord[]): Promise<void> => {
    records.push(...batch);
    newestMs = Date.now() - batch.at(-1)!.tsEvent;
  };
  await feed.listen({ subjects: [subject], kind, granularity }, sink, AbortSignal.timeout(LISTEN_MS));
  return { records, newestMs };
}

async function check(one: Probe): Promise<string> {
  const { source, kind, granularity, subject, hasHistory } = one;
  const events: FeedEvent[] = [];
  const options = { timeout_seconds: "5", retry_seconds: "0.5", ...readConfig(environment()).FEED_OPT };
  const onEvent = (event: FeedEvent): void => void events.push(event);
  const feed = await openFeed({ source, subjects: [subject], kind, options, onEvent });
  const told: string[] = [];
  if (hasHistory) {
    const endMs = Date.now() - HISTORY_MS;
    const range = { startMs: endMs - HISTORY_MS, endMs, limit: 10_000, signal: AbortSignal.timeout(LONGEST_MS) };
    const history = await feed.fetch({ subjects: [subject], kind, granularity, ...range });
    if (history.length === 0) throw new Error("the history of two minutes is empty");
    told.push(`${history.length} records of two minutes' history`);
  }
  const { records, newestMs } = await live(feed, one);
  const said = events.filter((event) => event.kind !== "connected").map((event) => `${event.kind}: ${event.detail}`);
  if (records.length === 0)
    throw new Error(`nothing came in ${LISTEN_MS / 1_000} s${said.length > 0 ? `; ${said.at(-1)}` : ""}`);
  told.push(`${records.length} live in ${LISTEN_MS / 1_000} s, the newest ${newestMs} ms old`, ...said.slice(0, 3));
  return told.join("; ");
}

const failed = new Set<string>();
const reached = new Set<string>();
for (const one of PROBES) {
  const name = `${one.source} ${one.kind}`.padEnd(16);
  await check(one).then(
    (told) => {
      reached.add(one.source);
      console.log(`${name} works: ${told}`);
    },
    (error: unknown) => {
      failed.add(one.source);
      console.log(`${name} FAILED: ${error instanceof Error ? error.message : String(error)}`);
    },
  );
}
const sources = [...new Set(PROBES.map(({ source }) => source))];
const nowhere = sources.filter((source) => !reached.has(source));
if (nowhere.length > 0)
  console.log(`\n${nowhere.join(" and ")} could not be reached from here: nothing is shown about the real service.`);
else if (failed.size > 0) console.log(`\n${[...failed].join(" and ")} answered, but not in everything.`);
else console.log("\nEverything that was tried works against the real services.");
process.exit(failed.size > 0 ? 1 : 0);
