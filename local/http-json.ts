const MOST_BYTES = 16 << 20;

/** What an HTTP server answered. `body` is parsed JSON of any shape. */
export type JsonAnswer = { status: number; body: unknown };

/**
 * Asks for JSON; with `body` as a POST of JSON. Rejects when there is no answer in time, or it is no JSON.
 * For the supervisor, which lives long: fetch, or an import of node:http (its WebSocket), would load all of undici, 10 MB.
 */
export function askJson(
  url: string,
  { headers = {}, body, withinMs }: { headers?: Record<string, string>; body?: unknown; withinMs: number },
): Promise<JsonAnswer> {
  const { request } = process.getBuiltinModule(url.startsWith("https:") ? "node:https" : "node:http");
  const { promise, resolve, reject } = Promise.withResolvers<JsonAnswer>();
  const options = {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    agent: false as const,
    signal: AbortSignal.timeout(withinMs),
  };
  const call = request(url, options, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (part: string) => {
      text += part;
      if (text.length > MOST_BYTES) response.destroy(new Error(`an answer of more than ${MOST_BYTES} bytes`));
    });
    response.once("error", reject);
    response.once("end", () => {
      try {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
      } catch {
        reject(new Error(`HTTP ${response.statusCode}, no JSON`));
      }
    });
  });
  call.once("error", reject);
  call.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
