import type { RpcTransport } from "@solana/kit";
import { ChainError } from "../port.ts";

const MAX_ANSWER_BYTES = 8 << 20;
const MAX_PAUSE_MS = 10 * 60_000;
const [TOO_MANY_REQUESTS, UNAVAILABLE] = [429, 503];

/**
 * JSON-RPC over HTTP to one endpoint, integers as bigint. An endpoint that asks to be left alone (429 or 503 with Retry-After) is: until then
 * every call fails at once. No redirects, and no more than 8 MB are read. Throws ChainError UNREACHABLE.
 */
export function createTransport(url: string, now: () => number = Date.now): RpcTransport {
  let restsUntilMs = 0;
  const transport = async ({ payload, signal }: Parameters<RpcTransport>[0]): Promise<unknown> => {
    const rest = restsUntilMs - now();
    if (rest > 0) throw new ChainError("UNREACHABLE", "the endpoint asked to be left alone", undefined, rest);
    const response = await fetch(url, {
      ...{ method: "POST", body: JSON.stringify(payload, asNumber), redirect: "error", signal: signal ?? null },
      headers: { "content-type": "application/json; charset=utf-8", accept: "application/json" },
    });
    if (response.ok) return JSON.parse(await boundedText(response), asBigint);
    await response.body?.cancel();
    const pauseMs = [TOO_MANY_REQUESTS, UNAVAILABLE].includes(response.status) ? retryAfterMs(response, now()) : 0;
    if (pauseMs > 0) restsUntilMs = now() + pauseMs;
    throw new ChainError("UNREACHABLE", `HTTP ${response.status}`, undefined, pauseMs || undefined);
  };
  return transport as RpcTransport;
}

/** Seconds, or a date (RFC 9110, section 10.2.3); 0 where it says nothing that can be understood. */
function retryAfterMs({ headers }: Response, nowMs: number): number {
  const text = headers.get("retry-after")?.trim();
  if (!text) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Math.min(Math.max(ms || 0, 0), MAX_PAUSE_MS);
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new ChainError("UNREACHABLE", `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const asNumber = (_: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);

/** Slots and lamports may exceed what a number holds: integers are read from the text itself. */
function asBigint(_: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number") return value;
  return context?.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}
