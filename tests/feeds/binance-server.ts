import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { FeedRecord } from "../../feeds/feed.ts";
import { candleContent, tradeContent } from "./content.ts";
import { answer, type Connection, type Faults, noFaults, queryOf, refusalIn, sendFrame, timeline } from "./faults.ts";

/** Truth lies so many records in the past at the beginning, so that all of it has happened. */
const PAST = 200_000;
const SECOND_MS = 1_000;
const SYMBOLS = ["XRPETH", "BTCUSDT"];

export interface BinanceServer {
  faults: Faults;
  options: Record<string, string>;
  /** so many records exist */
  published(): number;
  /** the time of the content, which runs faster than ours, epoch ms */
  contentMs(): number;
  /** the i-th record as a feed must deliver it */
  truth(kind: string, subject: string, i: number): FeedRecord;
  /** which record this is */
  indexOf(record: FeedRecord): number;
  /** requests so far, by path */
  requests: string[];
  connections(): number;
  close(): Promise<void>;
}

/** Ten levels a side around 100, the best ones first. */
const bookOf = (i: number) => {
  const side = (sign: number): string[][] =>
    Array.from({ length: 10 }, (_, n) => [(100 + sign * (n + 1) * 0.5).toFixed(2), String(n + 1 + (sign > 0 ? 1 : 0))]);
  return { lastUpdateId: 160 + i, bids: side(-1), asks: side(1) };
};

/** Speaks Binance's public API as documented (SOURCES.md), a record a period, faster than the clock of its content. */
export async function startBinanceServer(periodMs = 20): Promise<BinanceServer> {
  const faults = noFaults();
  const clock = timeline(periodMs);
  const baseMs = Math.floor(Date.now() / SECOND_MS) * SECOND_MS - PAST * SECOND_MS;
  const content = { candle: candleContent(), trade: tradeContent() };
  const candle = (i: number) => ({ ...content.candle(i), startMs: baseMs + i * SECOND_MS, trades: i % 9 });
  // three trades share a millisecond
  const trade = (i: number) => ({ ...content.trade(i), id: 1_000 + i, atMs: baseMs + Math.floor(i / 3) * 700 });
  const requests: string[] = [];
  const clients = new Set<Connection & { streams: string[]; next: number }>();

  const klineRow = (i: number): unknown[] => {
    const c = candle(i);
    const end = c.startMs + SECOND_MS - 1;
    return [c.startMs, c.open, c.high, c.low, c.close, c.volume, end, c.volume, c.trades, "0.0", "0.0", "0"];
  };
  const kline = (symbol: string, i: number, closed: boolean, close = candle(i).close) => {
    const c = candle(i);
    const k = {
      t: c.startMs,
      T: c.startMs + 999,
      s: symbol,
      i: "1s",
      f: 1,
      L: 2,
      o: c.open,
      c: close,
      h: c.high,
      l: c.low,
    };
    const rest = { v: c.volume, n: c.trades, x: closed, q: c.volume, V: "0", Q: "0", B: "0" };
    return { e: "kline", E: c.startMs + SECOND_MS, s: symbol, k: { ...k, ...rest } };
  };
  const aggTrade = (i: number) => {
    const t = trade(i);
    return { a: t.id, p: t.price, q: t.amount, f: t.id, l: t.id, T: t.atMs, m: t.side === "sell", M: true };
  };

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = queryOf(request);
    requests.push(pathname);
    const number = (name: string, otherwise: number): number => Number(searchParams.get(name) ?? otherwise);
    const known = Math.max(0, clock.published() - faults.historyLag);
    const limit = number("limit", 500);
    const reply = (body: unknown, empty: unknown = []): void => void answer(response, faults, body, empty);
    if (pathname === "/api/v3/time") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ serverTime: Date.now() + faults.skewMs }));
    } else if (pathname === "/api/v3/exchangeInfo") {
      const asked: string[] = JSON.parse(searchParams.get("symbols") ?? JSON.stringify(SYMBOLS));
      const symbols = asked.map((symbol) => ({ symbol, status: "TRADING" }));
      if (asked.every((symbol) => SYMBOLS.includes(symbol))) response.writeHead(200).end(JSON.stringify({ symbols }));
      else response.writeHead(400).end('{"code":-1121,"msg":"Invalid symbol."}');
    } else if (!SYMBOLS.includes(searchParams.get("symbol") ?? "")) {
      response.writeHead(400).end('{"code":-1121,"msg":"Invalid symbol."}');
    } else if (pathname === "/api/v3/klines") {
      const from = Math.max(0, Math.ceil((number("startTime", 0) - baseMs) / SECOND_MS));
      const until = Math.min(known, Math.floor((number("endTime", Date.now()) - baseMs) / SECOND_MS) + 1, from + limit);
      reply(Array.from({ length: Math.max(0, until - from) }, (_, n) => klineRow(from + n)));
    } else if (pathname === "/api/v3/aggTrades") {
      const found: unknown[] = [];
      const byId = searchParams.has("fromId");
      const endMs = number("endTime", Number.MAX_SAFE_INTEGER);
      const first = byId ? number("fromId", 0) - 1_000 : Math.ceil((number("startTime", 0) - baseMs) / 700) * 3;
      for (let i = Math.max(0, first); i < known && found.length < limit && trade(i).atMs <= endMs; i++)
        found.push(aggTrade(i));
      reply(found);
    } else response.writeHead(404).end();
  }

  const markPriceOf = (symbol: string, i: number) => {
    const E = baseMs + i * SECOND_MS;
    return {
      e: "markPriceUpdate",
      E,
      s: symbol,
      p: "11794.15",
      i: "11784.65",
      P: "11784.2",
      r: "0.00038167",
      T: E + 9_000,
    };
  };

  function frameOf(stream: string, i: number): { text: string; corrected: string; halfMalformed: string } {
    const [name, kind] = stream.split("@") as [string, string];
    const symbol = name.toUpperCase();
    const wrap = (data: unknown): string => JSON.stringify({ stream, data });
    if (kind.startsWith("kline")) {
      const wrong = { ...kline(symbol, i, true), k: { ...kline(symbol, i, true).k, h: "-1" } };
      const corrected = wrap(kline(symbol, i, true, candle(i).open));
      return { text: wrap(kline(symbol, i, true)), corrected, halfMalformed: wrap(wrong) };
    }
    if (kind.startsWith("depth")) {
      const book = bookOf(i);
      const crossed = { ...book, bids: [["999", "1"]] };
      return { text: wrap(book), corrected: wrap(book), halfMalformed: wrap(crossed) };
    }
    if (kind.startsWith("markPrice")) {
      const event = markPriceOf(symbol, i);
      return { text: wrap(event), corrected: wrap(event), halfMalformed: wrap({ ...event, p: "0" }) };
    }
    const event = { e: "aggTrade", E: trade(i).atMs, s: symbol, ...aggTrade(i) };
    const halfMalformed = wrap({ ...event, p: "NaN" });
    return { text: wrap(event), corrected: wrap({ ...event, q: "777" }), halfMalformed };
  }

  const tick = setInterval(() => {
    const published = clock.published();
    for (const client of clients)
      for (; client.next < published; client.next++)
        for (const stream of client.streams) {
          if (stream.includes("@kline") && !client.muted) {
            const symbol = stream.split("@")[0]!.toUpperCase();
            client.send(JSON.stringify({ stream, data: kline(symbol, client.next, false, candle(client.next).open) }));
          }
          sendFrame(client, faults, frameOf(stream, client.next));
        }
  }, periodMs / 2);

  const server = createServer(handle);
  const sockets = new WebSocketServer({ noServer: true, autoPong: false });
  server.on("upgrade", (request, socket, head) => {
    const refusal = refusalIn(faults);
    if (refusal) {
      const wait = refusal.retryAfter ? `Retry-After: ${refusal.retryAfter}\r\n` : "";
      return socket.end(`HTTP/1.1 ${refusal.refuse} No\r\n${wait}Content-Length: 0\r\n\r\n`);
    }
    sockets.handleUpgrade(request, socket, head, (web: WebSocket) => {
      const streams = (queryOf(request).searchParams.get("streams") ?? "").split("/");
      const connection = { muted: false, held: [], streams, next: clock.published() };
      const client = Object.assign(connection, {
        send: (text: string) => web.send(text),
        destroy: () => web.terminate(),
      });
      clients.add(client);
      web.on("ping", (data) => client.muted || web.pong(data));
      web.on("close", () => clients.delete(client));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  function truth(kind: string, subject: string, i: number): FeedRecord {
    if (kind === "candle") {
      const { startMs, open, high, low, close, volume, trades } = candle(i);
      const values = {
        open: +open,
        high: +high,
        low: +low,
        close: +close,
        volume: +volume,
        quote_volume: +volume,
        trades,
      };
      return { source: "binance", subject, kind, granularity: "1s", tsEvent: startMs, eventId: "", values, meta: {} };
    }
    const { price, amount, side, id, atMs } = trade(i);
    const values = { price: +price, amount: +amount, buyer_maker: side === "sell" ? 1 : 0 };
    return {
      source: "binance",
      subject,
      kind,
      granularity: "1s",
      tsEvent: atMs,
      eventId: String(id),
      values,
      meta: {},
    };
  }
  return {
    faults,
    options: {
      futures_stream_url: `ws://127.0.0.1:${port}/market`,
      rest_url: `http://127.0.0.1:${port}`,
      stream_url: `ws://127.0.0.1:${port}`,
    },
    published: clock.published,
    contentMs: () => baseMs + clock.published() * SECOND_MS,
    truth,
    indexOf: ({ kind, tsEvent, eventId }) =>
      kind === "candle" ? (tsEvent - baseMs) / SECOND_MS : Number(eventId) - 1_000,
    requests,
    connections: () => clients.size,
    close: async () => {
      clearInterval(tick);
      for (const client of clients) client.destroy();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
