/** The part of a feed record that is looked at before it is stored. */
export interface Sayings {
  subject: string;
  tsEvent: number;
  values: Readonly<Record<string, unknown>>;
}

/** Fields that are prices wherever they occur: finite and above zero. Others (funding rates, a basis) may be negative. */
const PRICES = [
  "open",
  "high",
  "low",
  "close",
  "price",
  "best_bid",
  "best_ask",
  "mid_price",
  "mark_price",
  "index_price",
];
const SIZES = ["volume", "amount", "quantity"];
const FIRST_MS = Date.UTC(1970, 0, 2);
const LAST_MS = Date.UTC(9999, 0, 1);

/** Why a record cannot be believed, in a sentence without the subject; null: it can. `subjects` are those that were asked for. */
export function refusal({ subject, tsEvent, values }: Sayings, subjects: readonly string[]): string | null {
  if (!subjects.includes(subject)) return `${subject} was not asked for`;
  if (!Number.isInteger(tsEvent) || tsEvent < FIRST_MS || tsEvent > LAST_MS) return `${tsEvent} is no time in epoch ms`;
  const entries = Object.entries(values);
  if (entries.length === 0) return "it has no values";
  const wrong = entries.find(([, value]) => typeof value !== "number" || !Number.isFinite(value));
  if (wrong) return `${wrong[0]} is ${String(wrong[1])}, no finite number`;
  const price = entries.find(([name, value]) => PRICES.includes(name) && (value as number) <= 0);
  if (price) return `${price[0]} is ${String(price[1])}: a price is above zero`;
  const size = entries.find(([name, value]) => SIZES.includes(name) && (value as number) < 0);
  if (size) return `${size[0]} is ${String(size[1])}: a size is not negative`;
  return disorder(values as Readonly<Record<string, number>>);
}

/** Of a candle: its high and low contain its open and close. */
function disorder({ open, high, low, close }: Readonly<Record<string, number>>): string | null {
  if (high === undefined || low === undefined) return null;
  const inside = [open, close].every((value) => value === undefined || (value <= high && value >= low));
  return high >= low && inside ? null : `high ${high} and low ${low} do not contain open ${open} and close ${close}`;
}
