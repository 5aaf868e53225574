import { type FrameQueue, frameQueue } from "./frames.ts";
import { RATE_LIMIT_MS, retryAfter } from "./http.ts";
import { RetryLater } from "./reconnect.ts";
import { excerpt } from "./report.ts";

export interface EventStreamOptions {
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** no byte for so long, comments included: the connection is dead though it is open, ms */
  silenceMs: number;
  signal: AbortSignal;
  /** told of each answer to the request itself */
  onAnswer?: (response: Response, sentMs: number) => void;
  /** something came, a comment at least: the connection is alive */
  onHeard?: () => void;
}

const MOST_CHARACTERS = 8 << 20;

/** Opens a stream of server-sent events (WHATWG HTML, 9.2); resolves when the server answered with one. A frame is the data of one event. */
export async function openEventStream(options: EventStreamOptions): Promise<FrameQueue> {
  const { url, headers, silenceMs, signal } = options;
  const closing = new AbortController();
  const sentMs = Date.now();
  let timer = setTimeout(() => closing.abort(new Error("no answer in time")), silenceMs);
  const response = await fetch(url, {
    headers: { accept: "text/event-stream", ...headers },
    signal: AbortSignal.any([signal, closing.signal]),
  }).finally(() => clearTimeout(timer));
  options.onAnswer?.(response, sentMs);
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || !type.includes("text/event-stream") || !response.body) {
    const body = response.ok ? `${type || "no content type"}, not a stream of events` : await response.text();
    closing.abort();
    const message = `HTTP ${response.status}: ${excerpt(body)}`;
    if (response.status !== 429) throw new Error(message);
    throw new RetryLater(message, retryAfter(response.headers.get("retry-after"), Date.now()) ?? RATE_LIMIT_MS);
  }

  let go: (() => void) | undefined;
  let paused: Promise<void> | undefined;
  const queue = frameQueue((full) => {
    if (full) paused = new Promise((resolve) => (go = resolve));
    else go?.();
  });
  const heard = (): void => {
    options.onHeard?.();
    clearTimeout(timer);
    timer = setTimeout(
      () => closing.abort(new Error(`nothing heard for ${silenceMs} ms on an open connection`)),
      silenceMs,
    );
  };
  const read = async (body: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    const events = eventParser((data) => queue.push(data));
    heard();
    for await (const part of body) {
      events(decoder.decode(part, { stream: true }));
      clearTimeout(timer);
      await paused;
      paused = undefined;
      heard();
    }
  };
  read(response.body)
    .then(
      () => queue.end(),
      (error: unknown) => queue.end(error instanceof Error ? error : new Error(String(error))),
    )
    .finally(() => clearTimeout(timer));
  return queue;
}

/** Takes text as it comes, in any pieces, and calls with the data of each complete event. Comments and other fields are skipped. */
export function eventParser(onData: (data: string) => void): (text: string) => void {
  let rest = "";
  let data: string[] = [];
  return (text) => {
    rest += text;
    if (rest.length > MOST_CHARACTERS) throw new Error(`an event of more than ${MOST_CHARACTERS} characters`);
    // a CR at the end may be half of a CRLF: it waits for what follows
    const complete = rest.endsWith("\r") ? rest.length - 1 : rest.length;
    const lines = rest.slice(0, complete).split(/\r\n|\r|\n/);
    rest = (lines.pop() ?? "") + rest.slice(complete);
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) onData(data.join("\n"));
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
    }
  };
}
