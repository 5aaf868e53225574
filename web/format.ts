const MINUS = "\u2212";

export const count = (value: number): string => value.toLocaleString("en-US");

/** Formats of the column schema: percentage, integer, compact, decimal-1 … decimal-6. */
export function formatted(value: number | null | undefined, format: string | null): string {
  if (value === null || value === undefined) return "–";
  const text = plain(value, format);
  return text.replaceAll("-", MINUS);
}

function plain(value: number, format: string | null): string {
  if (format === "percentage") return `${(value * 100).toFixed(1)} %`;
  if (format === "integer") return Math.round(value).toLocaleString("en-US");
  if (format === "compact") return Intl.NumberFormat("en-US", { notation: "compact" }).format(value);
  const digits = Number(/^decimal-([1-6])$/.exec(format ?? "")?.[1] ?? 2);
  const fixed = value.toFixed(digits);
  return value !== 0 && Number(fixed) === 0 ? value.toExponential(1) : fixed;
}

/** 0.4 s, 18 s, 3 m 05 s, 2 h 10 m, 4 d 3 h. */
export function duration(ms: number): string {
  const s = Math.max(0, ms) / 1_000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return twoUnits(whole, 60, "m", "s", 2);
  if (whole < 86_400) return twoUnits(Math.floor(whole / 60), 60, "h", "m", 1);
  return twoUnits(Math.floor(whole / 3_600), 24, "d", "h", 1);
}

function twoUnits(small: number, size: number, big: string, unit: string, digits: number): string {
  const rest = small % size;
  const whole = `${Math.floor(small / size)} ${big}`;
  return rest === 0 ? whole : `${whole} ${String(rest).padStart(digits, "0")} ${unit}`;
}

/** Of a window that is not yet full: 10 min, 3.2 h. */
export const covered = (hours: number): string =>
  hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${hours < 10 ? hours.toFixed(1) : Math.round(hours)} h`;

export const clock = (iso: string): string =>
  new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const day = (iso: string): string =>
  new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short" });

/** First and last letters of a long id. */
export const shortened = (text: string, ends = 6): string =>
  text.length <= 2 * ends + 1 ? text : `${text.slice(0, ends)}…${text.slice(-ends)}`;

/** "350000000" of 1,000,000,000 → "350,000,000". */
export const grouped = (digits: string): string => BigInt(digits).toLocaleString("en-US");
export const percentOfFrac64 = (digits: string): string => `${(Number(digits) / 1e7).toFixed(3)} %`;
