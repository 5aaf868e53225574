import type { Bar } from "./candles.ts";
import type { FeedRecord } from "./feed.ts";
import type { PythUpdate } from "./pyth-messages.ts";

type Labels = Pick<FeedRecord, "source" | "subject" | "kind" | "granularity">;

/** An update as a record; several may share a second, told apart by their slot. */
export function tickRecord(labels: Labels, update: PythUpdate): FeedRecord {
  const { atMs, slot, price, confidence, emaPrice } = update;
  const values = { price, confidence, ...(emaPrice === undefined ? {} : { ema_price: emaPrice }) };
  return { ...labels, tsEvent: atMs, eventId: slot === undefined ? "" : String(slot), values, meta: {} };
}

/** An oracle has no volume: 0. */
export function candleRecord(labels: Labels, { atMs, open, high, low, close, volume }: Bar): FeedRecord {
  return { ...labels, tsEvent: atMs, eventId: "", values: { open, high, low, close, volume }, meta: {} };
}
