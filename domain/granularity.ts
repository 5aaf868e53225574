const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "15s" → 15000. Throws TypeError for anything but a whole number and ms, s, m, h or d. */
export function granularityMs(text: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  const value = match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : 0;
  if (value <= 0) throw new TypeError(`granularity "${text}": write a number and ms, s, m, h or d, such as 15s`);
  return value;
}

/** 15000 → "15s": in the largest unit that divides it. The inverse of granularityMs but for spellings such as 60s. */
export function granularityText(ms: number): string {
  const [unit, size] = Object.entries(UNIT_MS).findLast(([, unitMs]) => ms % unitMs === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}
