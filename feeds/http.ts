import { setTimeout as delay } from "node:timers/promises";
import type { z } from "zod";
import type { SourceClock } from "./clock.ts";
import { excerpt, problemOf, type Report } from "./report.ts";

interface JsonRequest<T> {
  path: string;
  query?: Readonly<Record<string, string | number | readonly string[]>>;
  schema: z.ZodType<T>;
  signal?: AbortSignal | undefined;
}

/** Asks one server for JSON, politely and stubbornly. */
export interface HttpSource {
  /** Rejects with SourceError when the source refuses, or after five tries; with an AbortError when `signal` aborts. */
  get<T>(request: JsonRequest<T>): Promise<T>;
}

export interface HttpOptions {
  /** without a slash at its end */
  baseUrl: string;
  headers?: Readonly<Record<string, string>>;
  timeoutMs: number;
  /** the first delay before a request is repeated, ms; doubles */
  retryMs: number;
  /** between the beginnings of two requests, ms */
  spacingMs: number;
  report: Report;
  clock: SourceClock;
  now?: () => number;
}

/** The source answered, and the answer is no; or it gave no usable answer however often it was asked. */
export class SourceError extends Error {
  override name = "SourceError";
  readonly status: number | undefined;
  readonly body: string;
  constructor(message: string, status?: number, body = "") {
    super(message);
    this.status = status;
    this.body = body;
  }
}

const TRIES = 5;
const MOST_BYTES = 32 << 20;
/** Where a 429 does not say how long: Pyth and Binance both let a minute pass. */
export const RATE_LIMIT_MS = 60_000;

type Answer = { status: number; text: string; retryAfterMs: number | undefined };

export function httpSource(options: HttpOptions): HttpSource {
  const now = options.now ?? Date.now;
  let slotMs = 0;
  let heldMs = 0;
  const wait = (ms: number, signal: AbortSignal | undefined) => delay(ms, undefined, signal ? { signal } : {});

  /** Waits for this request's place: spacing, and no request at all while a rate limit holds. */
  async function turn(signal: AbortSignal | undefined): Promise<void> {
    do {
      const mineMs = Math.max(now(), slotMs, heldMs);
      slotMs = mineMs + options.spacingMs;
      await wait(Math.max(0, mineMs - now()), signal);
    } while (now() < heldMs); // another request was told to wait meanwhile
    signal?.throwIfAborted();
  }

  async function ask(url: string, signal: AbortSignal | undefined): Promise<Answer> {
    const sentMs = now();
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const response = await fetch(url, {
      headers: { accept: "application/json", ...options.headers },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const dateMs = Date.parse(response.headers.get("date") ?? "");
    if (Number.isFinite(dateMs)) options.clock.observe(dateMs, sentMs, now(), 1_000);
    const retryAfterMs = retryAfter(response.headers.get("retry-after"), options.clock.now());
    return { status: response.status, text: await bodyOf(response), retryAfterMs };
  }

  function holdBack({ status, retryAfterMs }: Answer): string {
    const waitMs = retryAfterMs ?? RATE_LIMIT_MS;
    heldMs = Math.max(heldMs, now() + waitMs);
    options.report({ kind: "rate-limited", ms: waitMs, detail: `HTTP ${status} from ${options.baseUrl}` });
    return `HTTP ${status}: too many requests`;
  }

  async function get<T>({ path, query, schema, signal }: JsonRequest<T>): Promise<T> {
    const url = `${options.baseUrl}${path}${queryOf(query)}`;
    let reason = "";
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (attempt > 0) await wait(options.retryMs * 2 ** (attempt - 1), signal);
      await turn(signal);
      const answer = await ask(url, signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        reason = causeOf(error);
      });
      if (!answer) continue;
      if (answer.status === 429 || answer.status === 418) reason = holdBack(answer);
      else if (answer.status >= 500) reason = `HTTP ${answer.status}: ${excerpt(answer.text)}`;
      else if (answer.status >= 400) throw refusal(options.baseUrl + path, answer);
      else {
        const read = parseBody(answer.text, schema);
        if ("value" in read) return read.value;
        reason = read.reason;
        options.report({ kind: "malformed", detail: `${path}: ${reason}` });
      }
    }
    throw new SourceError(`${options.baseUrl}${path}: no usable answer in ${TRIES} tries; the last: ${reason}`);
  }
  return { get };
}

function queryOf(query: JsonRequest<unknown>["query"] = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) pairs.append(name, String(one));
  return pairs.size > 0 ? `?${pairs}` : "";
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3) → ms from now; absent or unreadable: undefined. */
export function retryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

async function bodyOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new Error(`an answer of more than ${MOST_BYTES} bytes`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function parseBody<T>(text: string, schema: z.ZodType<T>): { value: T } | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { reason: `no JSON: ${excerpt(text)}` };
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? { value: parsed.data } : { reason: `${problemOf(parsed.error)} in ${excerpt(text)}` };
}

const refusal = (url: string, { status, text }: Answer): SourceError => {
  const hint = status === 401 || status === 403 ? " (does the source want a key? FEED_OPT_api_key)" : "";
  return new SourceError(`${url}: HTTP ${status}${hint}: ${excerpt(text)}`, status, text);
};

/** fetch hides why it failed in `cause`. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
