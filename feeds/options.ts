import { FeedSettingError } from "./feed.ts";

/** FEED_OPT_… by name. */
export type FeedOptions = Readonly<Record<string, string>>;

/** A positive number from FEED_OPT_<name>; throws FeedSettingError with what to write instead. */
export function positiveOption(options: FeedOptions, name: string, otherwise: number, what: string): number {
  const text = options[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new FeedSettingError(`FEED_OPT_${name}=${text}: a positive number, ${what}`);
  return value;
}

/** Any finite number. */
export function numberOption(options: FeedOptions, name: string, otherwise: number, what: string): number {
  const text = options[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new FeedSettingError(`FEED_OPT_${name}=${text}: a number, ${what}`);
  return value;
}

/** An address without a slash at its end. `protocols` such as ["https:", "http:"]. */
export function urlOption(options: FeedOptions, name: string, otherwise: string, protocols: readonly string[]): string {
  const text = options[name] || otherwise;
  const url = URL.parse(text);
  if (!url || !protocols.includes(url.protocol))
    throw new FeedSettingError(`FEED_OPT_${name}=${text}: an address that begins with ${protocols.join("// or ")}//`);
  return text.replace(/\/+$/, "");
}

/** What every live source understands. */
export interface Patience {
  /** a request without an answer for so long is repeated, ms */
  timeoutMs: number;
  /** a connection on which nothing was heard for so long is taken for dead, ms */
  silenceMs: number;
  /** live records wait so long for the history of a gap before them, ms; it goes on being fetched after that */
  gapMs: number;
  /** the first delay between two connections, ms; it doubles up to half a minute */
  retryMs: number;
}

/** FEED_OPT_timeout_seconds 8, silence_seconds 30, gap_seconds 20, retry_seconds 1. */
export function patienceOf(options: FeedOptions): Patience {
  const ms = (name: string, otherwise: number) => 1_000 * positiveOption(options, name, otherwise, "seconds");
  return {
    timeoutMs: ms("timeout_seconds", 8),
    silenceMs: ms("silence_seconds", 30),
    gapMs: ms("gap_seconds", 20),
    retryMs: ms("retry_seconds", 1),
  };
}
