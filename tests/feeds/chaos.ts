import { setTimeout as delay } from "node:timers/promises";
import type { Faults, HttpFault, StreamFault } from "./faults.ts";

const STREAM: readonly StreamFault[] = [
  "disconnect",
  "half-open",
  "malformed",
  "half-malformed",
  "lost",
  "duplicate",
  "late",
  "correction",
  { refuse: 503 },
  { refuse: 429, retryAfter: "0.2" },
];
const HTTP: readonly HttpFault[] = [
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "status", status: 429, retryAfter: "0.1" },
  { kind: "html" },
  { kind: "wrong-shape" },
  { kind: "empty" },
  { kind: "slow", ms: 600 },
  { kind: "cut" },
];

/** Numbers in [0, 1) that are the same for a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So long the feeds are made to suffer; FEED_CHAOS_SECONDS=600 for ten minutes. */
export const CHAOS_SECONDS = Number(process.env.FEED_CHAOS_SECONDS ?? 4);

/** Misbehaves at random for a while, then stops; returns how often it did what. Every kind of fault has had its turn. */
export async function misbehave(
  faults: Faults,
  seconds: number,
  seed: number,
  uses: (fault: StreamFault) => boolean = () => true,
): Promise<Map<string, number>> {
  const kinds = STREAM.filter(uses);
  const random = seeded(seed);
  const counts = new Map<string, number>();
  const pick = <T>(list: readonly T[], turn: number): T =>
    list[turn < list.length ? turn : Math.floor(random() * list.length)]!;
  const until = performance.now() + seconds * 1_000;
  for (let turn = 0; performance.now() < until; turn++) {
    const stream = pick(kinds, turn);
    const http = pick(HTTP, turn);
    faults.stream.push(stream);
    if (faults.http.length < 2) faults.http.push(http);
    faults.historyLag = random() < 0.3 ? Math.floor(random() * 20) : 0;
    faults.skewMs = random() < 0.1 ? Math.round((random() - 0.5) * 20_000) : faults.skewMs;
    for (const name of [typeof stream === "string" ? stream : `refuse ${stream.refuse}`, http.kind])
      counts.set(name, (counts.get(name) ?? 0) + 1);
    await delay(40 + 160 * random());
  }
  faults.stream.splice(0);
  faults.http.splice(0);
  faults.historyLag = 0;
  return counts;
}
