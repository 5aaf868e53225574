import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";

/** Linux takes no longer path for a Unix socket (sun_path, without its final NUL). */
const MAX_SOCKET_PATH = 107;
export const SOCKET_NAME = "host.sock";
const PREFIX = "c-";

/** The private pipe into one container. */
export interface ContainerChannel {
  /** to be mounted in the container; the socket in it is gone once both connections are there */
  readonly folder: string;
  /** The host's channel; never settles when nobody connects. */
  readonly connected: Promise<Socket>;
  /** Cuts all connections and removes the folder. */
  close(): Promise<void>;
}

/**
 * Listens in a new folder below `parent` for exactly two connections of host/container.py: the leash, whose end tells
 * the container that the runner is gone, then the channel. Both come before any code of the model runs, so a third
 * connection, which would be the model's, finds nothing.
 * @throws Error when the path would be too long for a socket
 */
export async function openContainerChannel(parent: string): Promise<ContainerChannel> {
  const folder = await mkdtemp(join(parent, PREFIX));
  const path = join(folder, SOCKET_NAME);
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH) {
    await rm(folder, { recursive: true });
    throw new Error(
      `${path} has ${length} bytes, a socket's path has at most ${MAX_SOCKET_PATH}. Set ALMANAC_DIR or TMPDIR to a shorter folder.`,
    );
  }
  const { promise: connected, resolve } = Promise.withResolvers<Socket>();
  const connections: Socket[] = [];
  const server = createServer((connection) => {
    connections.push(connection.on("error", () => connection.destroy()));
    if (connections.length > 2) return connection.destroy();
    if (connections.length === 1) return connection.resume(); // the leash: nothing is expected on it
    server.close();
    resolve(connection);
  });
  await new Promise<void>((done, failed) => server.once("error", failed).listen(path, done));
  await chmod(folder, 0o711);
  await chmod(path, 0o666); // the container's account is none of ours
  return {
    folder,
    connected,
    async close() {
      for (const connection of connections) connection.destroy();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Removes the folders of channels that a killed runner left below `parent`. */
export async function removeContainerChannels(parent: string): Promise<void> {
  const left = (await readdir(parent)).filter((name) => name.startsWith(PREFIX));
  await Promise.all(left.map((name) => rm(join(parent, name), { recursive: true, force: true })));
}
