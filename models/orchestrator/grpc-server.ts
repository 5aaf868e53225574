import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Logger } from "pino";
import type { EventServer, EventSource } from "./event-server.ts";
import type { GrpcEvents } from "./grpc-events.ts";

/**
 * The gRPC port. What serves it is loaded with the first connection: it weighs about 10 MB, and most nodes are followed over
 * the WebSocket alone. @throws Error when the port is taken
 */
export async function startGrpcServer(options: {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly source: EventSource;
}): Promise<EventServer> {
  const { host, port, logger } = options;
  const sockets = new Set<Socket>();
  let events: GrpcEvents | undefined;
  let loading: Promise<void> | undefined;
  let isClosed = false;

  async function load(): Promise<void> {
    const { createGrpcEvents } = await import("./grpc-events.ts");
    events = createGrpcEvents(options);
  }

  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", (error) => logger.debug({ err: error }, "client connection failed"));
    loading ??= load();
    loading.then(
      () => {
        if (isClosed) return;
        socket.resume(); // what was sent meanwhile is still there
        events?.take(socket);
      },
      (error) => {
        logger.error({ err: error }, "the gRPC server cannot be loaded");
        loading = undefined;
        socket.destroy();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const busy =
        error.code === "EADDRINUSE"
          ? `Port ${port} is taken. Stop what uses it, or set ORCHESTRATOR_GRPC_PORT to a free one.`
          : error.message;
      reject(new Error(`The model orchestrator cannot listen on ${host}:${port} for gRPC. ${busy}`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    publish: (crunchId, changed) => events?.publish(crunchId, changed),
    async close() {
      isClosed = true;
      events?.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
