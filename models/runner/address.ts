import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";

/** Where a server listens: what grpc binds to, and the path of its socket file, if it is one. */
export interface ListenAddress {
  readonly grpc: string;
  readonly socketPath?: string;
}

/**
 * `host:port`, `[v6 address]:port`, `unix:path` or `unix:///absolute/path`.
 * @throws Error saying what is wrong with it
 */
export function parseAddress(text: string): ListenAddress {
  const unix = /^unix:(?:\/\/(?=\/))?(.+)$/.exec(text);
  if (unix?.[1]) {
    if (Buffer.byteLength(unix[1]) > 107) throw new Error(`${text}: the path of a Unix socket has at most 107 bytes`);
    return { grpc: `unix:${unix[1]}`, socketPath: unix[1] };
  }
  const [, host, port] = /^(\[[0-9a-fA-F:.%]+\]|[^[\]:/\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw new Error(`${JSON.stringify(text)} is no address: host:port (as 127.0.0.1:50051 or [::]:50051) or unix:path`);
  return { grpc: text };
}

/**
 * Removes the socket file that a server which was killed left behind.
 * @throws Error if somebody listens there, or the file is none of ours
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const entry = await lstat(path).catch(() => undefined);
  if (entry === undefined) return;
  if (!entry.isSocket()) throw new Error(`${path} is there and no socket. Remove it, or take another address.`);
  const isAlive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
  if (isAlive) throw new Error(`${path} is in use by another server.`);
  await rm(path, { force: true });
}
