import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket, type Socket } from "node:net";
import { parseAddress } from "../runner/address.ts";
import type { Http2Call } from "./http2-call.ts";

/** Where a runner listens. */
export interface Target {
  /** value of the header `:authority` */
  readonly authority: string;
  readonly open: () => Socket;
}
/** One connection to a runner. */
export interface RunnerSession {
  /** Only when it is up. */
  start(call: Http2Call): void;
  /** Takes no more calls, and frees the connection when the last one has ended. */
  retire(): void;
}
export interface SessionEvents {
  /** The other side speaks HTTP/2. */
  up(): void;
  /** There will be no more calls over it, or it never came about. Called once. */
  down(why: string): void;
}

const CONNECT_MS = 20_000;
/** A connection that was quiet for this long is asked for a sign of life, by TCP. */
const KEEP_ALIVE_MS = 20_000;
const MEMORY_MB = 64;

/** @throws Error for a text that is no address */
export function targetOf(address: string): Target {
  const { grpc, socketPath } = parseAddress(address);
  if (socketPath !== undefined) return { authority: "localhost", open: () => connectSocket(socketPath) };
  const colon = grpc.lastIndexOf(":");
  const host = grpc.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const port = Number(grpc.slice(colon + 1));
  return {
    authority: grpc,
    open: () => connectSocket({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }),
  };
}

/** Connects. It keeps no process alive: the time-outs of whoever waits for it do. */
export function openSession(target: Target, maxHeaderBytes: number, { up, down }: SessionEvents): RunnerSession {
  const socket = target.open();
  const session = connectHttp2("http://localhost", {
    createConnection: () => socket,
    settings: { enablePush: false, maxHeaderListSize: maxHeaderBytes },
    maxSessionMemory: MEMORY_MB,
  });
  session.unref();
  let open = 0;
  let isDown = false;
  let isRetired = false;
  let why = "the connection was closed";
  const free = () => {
    session.destroy();
    socket.destroy();
  };
  const freeIfUnused = () => {
    // Later, so that the end of a last call goes out.
    if (isRetired && open === 0) setImmediate(free);
  };
  const retire = () => {
    isRetired = true;
    freeIfUnused();
  };
  const goDown = (reason: string) => {
    clearTimeout(limit);
    retire();
    if (isDown) return;
    isDown = true;
    down(reason);
  };
  const limit = setTimeout(() => {
    why = `no HTTP/2 within ${CONNECT_MS} ms`;
    free();
  }, CONNECT_MS).unref();

  session.once("remoteSettings", () => {
    clearTimeout(limit);
    if (!isDown && !isRetired) up();
  });
  session.once("goaway", (code) => goDown(`the runner says GOAWAY with code ${code}`));
  session.on("error", (error) => {
    why = error.message;
  });
  session.once("close", () => {
    socket.destroy();
    goDown(why);
  });

  const ended = () => {
    open--;
    freeIfUnused();
  };
  return {
    start(call) {
      open++;
      call.start(session, target.authority, ended);
    },
    retire() {
      clearTimeout(limit);
      isDown = true;
      retire();
    },
  };
}
