import { WebSocket } from "ws";
import { type FrameQueue, frameQueue } from "./frames.ts";
import { RATE_LIMIT_MS, retryAfter } from "./http.ts";
import { RetryLater } from "./reconnect.ts";

export interface SocketOptions {
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** nothing heard for so long (frame, ping or pong): the connection is dead though it is open, ms */
  silenceMs: number;
  signal: AbortSignal;
}

const MOST_BYTES = 8 << 20;

/** Opens a WebSocket; resolves when it is open. A ping at half the silence draws a sign of life from a quiet source. */
export async function openSocket({ url, headers, silenceMs, signal }: SocketOptions): Promise<FrameQueue> {
  const socket = new WebSocket(url, {
    handshakeTimeout: silenceMs,
    maxPayload: MOST_BYTES,
    ...(headers ? { headers: { ...headers } } : {}),
  });
  const queue = frameQueue((full) => (full ? socket.pause() : socket.resume()));
  let heardMs = Date.now();
  let pinged = false;
  const heard = (): void => {
    heardMs = Date.now();
    pinged = false;
  };
  const watch = setInterval(() => {
    if (socket.isPaused) return heard(); // we do not listen: silence says nothing
    const silent = Date.now() - heardMs;
    if (silent >= silenceMs) {
      queue.end(new Error(`nothing heard for ${silent} ms on an open connection`));
      socket.terminate();
    } else if (silent >= silenceMs / 2 && !pinged && socket.readyState === WebSocket.OPEN) {
      pinged = true;
      socket.ping();
    }
  }, silenceMs / 8);
  const stop = (): void => socket.terminate();
  signal.addEventListener("abort", stop, { once: true });

  const { promise, resolve, reject } = Promise.withResolvers<FrameQueue>();
  socket.once("open", () => resolve(queue));
  socket.on("message", (data, isBinary) => {
    heard();
    queue.push(isBinary ? `a binary frame of ${String(data).length} characters` : String(data));
  });
  socket.on("ping", heard); // answered by the library
  socket.on("pong", heard);
  socket.on("unexpected-response", (_request, { statusCode, headers: answered }) => {
    const limited = statusCode === 429 || statusCode === 418;
    const waitMs = retryAfter(answered["retry-after"] ?? null, Date.now()) ?? RATE_LIMIT_MS;
    reject(limited ? new RetryLater(`HTTP ${statusCode}`, waitMs) : new Error(`HTTP ${statusCode}, no WebSocket`));
    socket.terminate();
  });
  socket.on("error", (error) => {
    queue.end(error);
    reject(error);
  });
  socket.once("close", (code, reason) => {
    clearInterval(watch);
    signal.removeEventListener("abort", stop);
    const error = new Error(`closed with ${code}${reason.length > 0 ? `: ${reason}` : ""}`);
    queue.end(error);
    reject(error);
  });
  if (signal.aborted) stop();
  return promise;
}
