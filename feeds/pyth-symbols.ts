import { FeedSettingError } from "./feed.ts";
import type { HttpSource } from "./http.ts";
import type { FeedOptions } from "./options.ts";
import { bareId, priceFeeds } from "./pyth-messages.ts";

/** A price feed of Pyth: its id, and the symbol under which the Benchmarks API knows it. */
export interface PriceFeed {
  id: string;
  symbol: string;
}

export interface PythSymbols {
  all(signal?: AbortSignal): Promise<PriceFeed[]>;
  /** Throws FeedSettingError for a subject that Pyth has not. */
  of(subject: string, signal?: AbortSignal): Promise<PriceFeed>;
}

const SUGGESTIONS = 5;

/** A subject is an id in FEED_OPT_feed_id_<SUBJECT>, a symbol (Crypto.BTC/USD), a pair (BTC/USD), or the base of a pair with USD (BTC). */
export function pythSymbols(hermes: HttpSource, options: FeedOptions): PythSymbols {
  let listed: Promise<PriceFeed[]> | undefined;
  const all = (signal?: AbortSignal): Promise<PriceFeed[]> => {
    listed ??= list(hermes, signal).catch((error: unknown) => {
      listed = undefined;
      throw error;
    });
    return listed;
  };
  return {
    all,
    of: async (subject, signal) => {
      const given = options[`feed_id_${subject}`];
      if (given !== undefined && !/^(0x)?[0-9a-f]{64}$/i.test(given))
        throw new FeedSettingError(`FEED_OPT_feed_id_${subject}=${given}: 64 hexadecimal digits, with or without 0x`);
      const feeds = await all(signal);
      const found = given ? feeds.find(({ id }) => id === bareId(given)) : bySymbol(feeds, subject);
      if (found) return found;
      const asked = given ? `FEED_OPT_feed_id_${subject}=${given}` : `FEED_SUBJECTS: ${subject}`;
      const similar = feeds.filter(({ symbol }) => symbol.toUpperCase().includes(subject.toUpperCase()));
      const names = similar.slice(0, SUGGESTIONS).map(({ symbol }) => symbol);
      throw new FeedSettingError(
        `${asked}: Pyth has no such price feed${names.length > 0 ? `; it has ${names.join(", ")}` : ""}`,
      );
    },
  };
}

const list = async (hermes: HttpSource, signal?: AbortSignal): Promise<PriceFeed[]> => {
  const answer = await hermes.get({ path: "/v2/price_feeds", schema: priceFeeds, signal });
  return answer.map(({ id, attributes }) => ({ id: bareId(id), symbol: attributes.symbol }));
};

/** Symbols read Class.BASE/QUOTE; of several classes crypto comes first. */
function bySymbol(feeds: readonly PriceFeed[], subject: string): PriceFeed | undefined {
  const pair = subject.includes("/") ? subject : `${subject}/USD`;
  const named = (symbol: string): PriceFeed | undefined => feeds.find((feed) => feed.symbol === symbol);
  return named(subject) ?? named(`Crypto.${pair}`) ?? feeds.find(({ symbol }) => symbol.endsWith(`.${pair}`));
}
