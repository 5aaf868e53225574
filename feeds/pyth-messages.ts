import { z } from "zod";

/** Shapes of Hermes and the Benchmarks API; where each is documented: tests/feeds/SOURCES.md. */

const integerText = z.string().regex(/^-?\d+$/, "a whole number as text");
const seconds = z.number().int().positive();

const rpcPrice = z.object({ price: integerText, conf: integerText, expo: z.number().int(), publish_time: seconds });

/** One parsed update: actual price = price × 10^expo; times in whole seconds. */
const update = z
  .object({
    id: z.string(),
    price: rpcPrice,
    ema_price: rpcPrice.nullish(),
    metadata: z.object({ slot: z.number().int().nullish(), prev_publish_time: z.number().int().nullish() }).nullish(),
  })
  .transform(({ id, price, ema_price, metadata }) => ({
    id: bareId(id),
    atMs: price.publish_time * 1_000,
    previousMs: (metadata?.prev_publish_time ?? price.publish_time - 1) * 1_000,
    slot: metadata?.slot ?? undefined,
    price: scaled(price.price, price.expo),
    confidence: scaled(price.conf, price.expo),
    emaPrice: ema_price ? scaled(ema_price.price, ema_price.expo) : undefined,
  }))
  .refine((u) => u.price > 0, "a price above zero");
export type PythUpdate = z.output<typeof update>;
export const priceUpdate = update;

/** What a stream event, and a REST answer, holds; its parts are read one by one. */
export const updates = z.object({ parsed: z.array(z.unknown()).nullish() });

/** /v1/updates/price/{timestamp}/{interval}: a list of updates; one object where the server joins them. */
export const updatesOfInterval = z.union([z.array(updates), updates]).transform((answer) => [answer].flat());

export const priceFeeds = z.array(
  z.object({ id: z.string(), attributes: z.object({ symbol: z.string() }).catchall(z.string()) }),
);

const column = z.array(z.number()).default([]);
/** TradingView's history (UDF): columns of equal length, or a status without any. Times in seconds. */
export const tradingViewHistory = z
  .object({
    s: z.enum(["ok", "no_data", "error"]),
    errmsg: z.string().nullish(),
    ...{ t: column, o: column, h: column, l: column, c: column },
  })
  .refine(({ t, o, h, l, c }) => [o, h, l, c].every(({ length }) => length === t.length), "columns of one length");

/** Ids come with and without 0x. */
export const bareId = (id: string): string => id.toLowerCase().replace(/^0x/, "");

/** Exact where a double is: the text of the number is put together, not multiplied. */
const scaled = (integer: string, expo: number): number => Number(`${integer}e${expo}`);
