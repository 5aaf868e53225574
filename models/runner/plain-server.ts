import { lookup } from "node:dns/promises";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, ListenOptions } from "node:net";
import type { MessageLimits } from "../protocol/grpc-wire.ts";
import { parseAddress } from "./address.ts";
import { servePlainCall } from "./plain-call.ts";
import { MAX_CONCURRENT_CALLS, type Method, type RpcServer } from "./rpc.ts";

/** What one connection may take up. */
interface Room {
  readonly concurrentCalls: number;
  /** Megabytes that may wait to be sent; above it, no new call is taken. */
  readonly unsentMb: number;
}
/** The largest answers of all calls at once, twice. */
const OF_ONE_MODEL: Room = { concurrentCalls: MAX_CONCURRENT_CALLS, unsentMb: 128 };

/**
 * Serves methods to whoever reaches the address, over Node's own HTTP/2: a fifth of the runner's work for a call are layers of
 * grpc-js that nobody uses here. What it takes and says is the same.
 */
export function createPlainServer(methods: readonly Method[], limits: MessageLimits, room = OF_ONE_MODEL): RpcServer {
  const routes = new Map(methods.map((method) => [method.definition.path, method]));
  const servers = new Set<Http2Server>();
  const sessions = new Set<ServerHttp2Session>();

  function create(): Http2Server {
    const server = createServer({
      maxSessionMemory: room.unsentMb,
      settings: { maxConcurrentStreams: room.concurrentCalls },
    });
    server.on("session", (session) => {
      sessions.add(session);
      session.on("error", () => session.destroy()).on("close", () => sessions.delete(session));
    });
    server.on("stream", (stream, headers) => servePlainCall(stream, headers, routes, limits));
    return server;
  }

  function bind(options: ListenOptions): Promise<number> {
    const server = create();
    return new Promise((resolve, reject) => {
      server.once("error", reject).listen(options, () => {
        server.off("error", reject).on("error", () => undefined);
        servers.add(server);
        const where = server.address();
        resolve(typeof where === "string" ? 0 : ((where as AddressInfo | null)?.port ?? 0));
      });
    });
  }

  async function listen(address: string): Promise<number> {
    const { grpc, socketPath } = parseAddress(address);
    if (socketPath !== undefined) return bind({ path: socketPath });
    const colon = grpc.lastIndexOf(":");
    const [first, ...others] = await lookup(grpc.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), { all: true });
    const port = await bind({ host: first?.address, port: Number(grpc.slice(colon + 1)) });
    // A name may stand for several addresses, as localhost does; one that works is enough.
    await Promise.allSettled(others.map((other) => bind({ host: other.address, port })));
    return port;
  }

  return {
    listen,
    async drain() {
      const closed = [...servers].map((server) => new Promise<unknown>((resolve) => server.close(resolve)));
      for (const session of sessions) session.close();
      await Promise.all(closed);
    },
    close() {
      for (const server of servers) server.close();
      for (const session of sessions) session.destroy();
    },
  };
}
