const DAY_MS = 86_400_000;
export const dayStart = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS;
export const nextDay = (ms: number): number => dayStart(ms) + DAY_MS;
/** YYYY-MM-DD of a UTC day. */
export const dayName = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** What names a stream, and so the folder of its files. */
export interface Stream {
  source: string;
  subject: string;
  kind: string;
  granularity: string;
}

/**
 * A word that may be a folder's name: no separator, no leading dot, nothing that a shell or a URL reads otherwise.
 * Subjects such as BTC-USD, Crypto.BTC or EUR_USD pass.
 */
const PART = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const FILE = /^\d{4}-\d{2}-\d{2}\.parquet$/;
export const isPathPart = (text: string): boolean => PART.test(text) && !text.includes("..");
export const isDayFileName = (text: string): boolean => FILE.test(text);

/** `source/subject/kind/granularity`. @throws TypeError naming the part that cannot be a folder */
export function streamFolder({ source, subject, kind, granularity }: Stream): string {
  for (const [name, part] of Object.entries({ source, subject, kind, granularity }))
    if (!isPathPart(part))
      throw new TypeError(
        `${name} "${part}" cannot name a folder: letters, digits, dot, dash and underscore, at most 64`,
      );
  return `${source}/${subject}/${kind}/${granularity}`;
}

/** Path of a day's file below the data folder. @throws TypeError as streamFolder */
export const dayFilePath = (stream: Stream, dayMs: number): string =>
  `${streamFolder(stream)}/${dayName(dayMs)}.parquet`;

/** One entry of index.json. */
export interface DayFileEntry {
  path: string;
  records: number;
  size_bytes: number;
  date: string;
}
