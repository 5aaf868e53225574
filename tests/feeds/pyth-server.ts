import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { candleContent } from "./content.ts";
import { answer, type Connection, type Faults, noFaults, queryOf, refusalIn, sendFrame, timeline } from "./faults.ts";

/** Truth lies so many updates in the past at the beginning, so that all of it has happened. */
const PAST = 400_000;
/** Between two updates in the time of the content: two or three share a second. */
const UPDATE_MS = 400;
const FIRST_SLOT = 85_000_000;
const EXPO = -8;
const FEEDS = [
  { id: "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43", symbol: "Crypto.BTC/USD" },
  { id: "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace", symbol: "Crypto.ETH/USD" },
  { id: "a".repeat(64), symbol: "Equity.US.BTC/USD" },
];

/** One update of the truth; the same for every price feed. */
interface TrueUpdate {
  second: number;
  previousSecond: number;
  slot: number;
  /** integers as text, × 10^-8 */
  price: string;
  confidence: string;
}

export interface PythServer {
  faults: Faults;
  options: Record<string, string>;
  published(): number;
  truth(i: number): TrueUpdate;
  requests: string[];
  connections(): number;
  /** refuses every request without this key */
  requireKey(key: string): void;
  close(): Promise<void>;
}

/** Speaks Hermes and the Benchmarks API as documented (SOURCES.md), an update a period, faster than the clock of its content. */
export async function startPythServer(periodMs = 20): Promise<PythServer> {
  const faults = noFaults();
  const clock = timeline(periodMs);
  const baseMs = Math.floor(Date.now() / 3_600_000) * 3_600_000 - PAST * UPDATE_MS;
  const content = candleContent();
  const requests: string[] = [];
  const clients = new Set<Connection & { ids: string[]; next: number }>();
  let key: string | undefined;

  const secondOf = (i: number): number => Math.floor((baseMs + i * UPDATE_MS) / 1_000);
  function truth(i: number): TrueUpdate {
    const prices = content(Math.floor(i / 4));
    const part = [prices.open, prices.high, prices.low, prices.close][i % 4]!;
    const price = String(Math.round(Number(part) * 1e8));
    return {
      second: secondOf(i),
      previousSecond: secondOf(i - 1),
      slot: FIRST_SLOT + i,
      price,
      confidence: String(i % 97),
    };
  }
  const update = (id: string, i: number, price = truth(i).price) => {
    const { second, previousSecond, slot, confidence } = truth(i);
    const rpc = { price, conf: confidence, expo: EXPO, publish_time: second };
    const metadata = { slot, proof_available_time: second + 1, prev_publish_time: previousSecond };
    return { id, price: rpc, ema_price: rpc, metadata };
  };
  const known = (): number => Math.max(0, clock.published() - faults.historyLag);
  const binary = { encoding: "hex", data: ["504e4155"] };

  function interval(path: string, query: URLSearchParams): unknown {
    const [fromS, lengthS] = path.split("/").slice(-2).map(Number) as [number, number];
    const first = Math.max(0, Math.floor((fromS * 1_000 - baseMs) / UPDATE_MS));
    const found: unknown[] = [];
    for (let i = first; i < known() && secondOf(i) <= fromS + lengthS; i++)
      if (secondOf(i) >= fromS) found.push({ binary, parsed: query.getAll("ids").map((id) => update(id, i)) });
    return found;
  }

  /** Bars of what is published, as a chart would show them. */
  function history(query: URLSearchParams): unknown {
    const stepS = Number(query.get("resolution")) * 60;
    const [fromS, toS] = [Number(query.get("from")), Number(query.get("to"))];
    const bars = new Map<number, number[]>();
    for (let i = Math.max(0, Math.floor((fromS * 1_000 - baseMs) / UPDATE_MS)); i < known(); i++) {
      const startS = Math.floor(secondOf(i) / stepS) * stepS;
      if (startS >= toS) break;
      if (startS < fromS) continue;
      bars.set(startS, [...(bars.get(startS) ?? []), Number(truth(i).price) / 1e8]);
    }
    const all = [...bars.values()];
    const columns = { o: all.map((b) => b[0]), h: all.map((b) => Math.max(...b)), l: all.map((b) => Math.min(...b)) };
    const rest = { c: all.map((b) => b.at(-1)), v: all.map(() => 0) };
    return all.length > 0 ? { s: "ok", t: [...bars.keys()], ...columns, ...rest } : NO_DATA;
  }

  function openStream(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    const refusal = refusalIn(faults);
    if (refusal) {
      if (refusal.retryAfter) response.setHeader("retry-after", refusal.retryAfter);
      return void response.writeHead(refusal.refuse).end("no");
    }
    response.writeHead(200, {
      "content-type": "text/event-stream",
      date: new Date(Date.now() + faults.skewMs).toUTCString(),
    });
    response.write(":\n\n");
    const connection = { muted: false, held: [], ids: query.getAll("ids[]"), next: clock.published() };
    const client = Object.assign(connection, {
      send: (text: string) => void response.write(`data:${text}\n\n`),
      destroy: () => void request.socket.destroy(),
    });
    clients.add(client);
    response.on("close", () => clients.delete(client));
  }

  const tick = setInterval(() => {
    const published = clock.published();
    for (const client of clients)
      for (; client.next < published; client.next++) {
        const parsed = client.ids.map((id) => update(id, client.next));
        const wrong = parsed.map((one) => ({ ...one, price: { ...one.price, price: "-1" } }));
        const other = client.ids.map((id) => update(id, client.next, "123456789"));
        const text = (list: unknown): string => JSON.stringify({ binary, parsed: list });
        sendFrame(client, faults, { text: text(parsed), corrected: text(other), halfMalformed: text(wrong) });
      }
  }, periodMs / 2);

  const server = createServer((request, response) => {
    const { pathname, searchParams } = queryOf(request);
    requests.push(pathname);
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
      return void response.writeHead(401).end("API key required");
    if (pathname === "/v2/price_feeds") {
      const feeds = FEEDS.map(({ id, symbol }) => ({ id, attributes: { symbol, asset_type: "Crypto" } }));
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(feeds));
    } else if (pathname === "/v2/updates/price/stream") openStream(request, response, searchParams);
    else if (pathname.startsWith("/v1/updates/price/"))
      void answer(response, faults, interval(pathname, searchParams), []);
    else if (pathname === "/v1/shims/tradingview/history")
      void answer(response, faults, history(searchParams), NO_DATA);
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    faults,
    options: { hermes_url: url, benchmarks_url: url },
    published: clock.published,
    truth,
    requests,
    connections: () => clients.size,
    requireKey: (wanted) => {
      key = wanted;
    },
    close: async () => {
      clearInterval(tick);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const NO_DATA = { s: "no_data", t: [], o: [], h: [], l: [], c: [], v: [] };
