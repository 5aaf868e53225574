import { WebSocket } from "ws";
import type { ConnectionEvents, OrchestratorConnection, OrchestratorTransport } from "./orchestrator-link.ts";

const MAX_MESSAGE_BYTES = 1 << 20;
const HANDSHAKE_MS = 10_000;
const PING_MS = 20_000;

/** The orchestrator's WebSocket, as the public one serves it. */
export function webSocketTransport(host: string, port: number, crunchId: string): OrchestratorTransport {
  const url = `ws://${host.includes(":") ? `[${host}]` : host}:${port}/${encodeURIComponent(crunchId)}`;
  return { url, connect: (events) => connect(url, events) };
}

function connect(url: string, events: ConnectionEvents): OrchestratorConnection {
  const socket = new WebSocket(url, {
    maxPayload: MAX_MESSAGE_BYTES,
    handshakeTimeout: HANDSHAKE_MS,
    perMessageDeflate: false,
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  let alive = true;
  let cause = "";
  const ping = setInterval(() => {
    if (!alive) socket.terminate();
    alive = false;
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, PING_MS);
  socket.on("pong", () => {
    alive = true;
  });
  socket.on("open", () =>
    events.opened((report) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify({ event: "report_failure", data: [report] }));
      return true;
    }),
  );
  socket.on("message", (data) => {
    alive = true;
    events.message(String(data));
  });
  socket.on("error", (error) => {
    cause = error.message;
  });
  socket.on("close", (code) => {
    clearInterval(ping);
    end(cause || `closed with ${code}`);
  });
  return { ended, close: () => socket.terminate() };
}
