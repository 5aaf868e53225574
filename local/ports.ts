import { createServer } from "node:net";

/** A port that the user named in a setting is taken by another program. */
export class PortTakenError extends Error {
  override name = "PortTakenError";
}

const LOOPBACKS = ["127.0.0.1", "::1"];
const NO_SUCH_ADDRESS = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);
const TRIES = 200;

function canBind(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(NO_SUCH_ADDRESS.has(error.code ?? "")));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** True when nothing listens on `port`, on IPv4 and IPv6 loopback alike (browsers try ::1 first). */
export async function isPortFree(port: number): Promise<boolean> {
  for (const host of LOOPBACKS) if (!(await canBind(port, host))) return false;
  return true;
}

/** A port that is free now, chosen by the system. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

export type PortWish = {
  /** Setting that holds the port, as the user would write it. */
  setting: string;
  wanted: number;
  /** The user set it: then another port would be a surprise. */
  explicit: boolean;
  /** How many consecutive ports are needed (default 1). */
  span?: number;
};

/**
 * Gives each wish its port or the next free one, never the same port twice.
 * A port 0 stays 0. Throws PortTakenError when an explicit one is taken.
 */
export function createPortChooser(say: (line: string) => void) {
  const given = new Set<number>();
  const usable = async (first: number, span: number) => {
    for (let port = first; port < first + span; port++) if (given.has(port) || !(await isPortFree(port))) return false;
    return true;
  };
  const take = (first: number, span: number) => {
    for (let port = first; port < first + span; port++) given.add(port);
    return first;
  };
  return async function choosePort({ setting, wanted, explicit, span = 1 }: PortWish): Promise<number> {
    if (wanted === 0) return 0;
    if (await usable(wanted, span)) return take(wanted, span);
    if (explicit)
      throw new PortTakenError(
        `${setting}=${wanted}: another program uses this port. Stop it, set ${setting} to a free port, or leave ${setting} unset to get the next free one.`,
      );
    for (let port = wanted + 1; port < Math.min(wanted + TRIES, 65_536 - span); port++)
      if (await usable(port, span)) {
        say(`port ${wanted} is taken; using ${port} (${setting})`);
        return take(port, span);
      }
    throw new PortTakenError(
      `${setting}: no free port from ${wanted} to ${wanted + TRIES}. Set ${setting} to a free port.`,
    );
  };
}
