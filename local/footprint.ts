import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { ownProcesses } from "./own-processes.ts";
import { descendants, type Identity, identify } from "./process-identity.ts";

/** What a running node occupies. Reads /proc, so Linux only. */
export type Occupant = { identity: Identity; program: string; rssMb: number };

const PAGE_KB = 4;
const LISTENING = "0A";

const attempt = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch {
    return otherwise; // the process ended while it was looked at
  }
};

function occupant(pid: number): Occupant[] {
  const identity = identify(pid);
  if (!identity) return [];
  const pages = Number(attempt(() => readFileSync(`/proc/${pid}/statm`, "utf8"), "0 0").split(" ")[1]);
  const program = basename(attempt(() => readlinkSync(`/proc/${pid}/exe`), "?"));
  return [{ identity, program, rssMb: (pages * PAGE_KB) / 1024 }];
}

/** The supervisor, everything below it, and everything of that folder of local state. */
export function occupants(supervisor: number, dir: string): Occupant[] {
  const own = ownProcesses(dir).map(({ pid }) => pid);
  return [...new Set([supervisor, ...descendants(supervisor), ...own])].flatMap(occupant);
}

const socketsOf = (pid: number): string[] =>
  attempt(() => readdirSync(`/proc/${pid}/fd`), []).flatMap((fd) => {
    const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), "");
    return target.startsWith("socket:[") ? [target.slice(8, -1)] : [];
  });

/** TCP ports on which these processes listen. */
export function listeningPorts(pids: readonly number[]): number[] {
  const own = new Set(pids.flatMap(socketsOf));
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) =>
    attempt(() => readFileSync(path, "utf8"), "")
      .split("\n")
      .slice(1),
  );
  const ports = rows.flatMap((row) => {
    const [, local = "", , state, , , , , , inode = ""] = row.trim().split(/\s+/);
    return state === LISTENING && own.has(inode) ? [Number.parseInt(local.split(":")[1] ?? "", 16)] : [];
  });
  return [...new Set(ports)].sort((a, b) => a - b);
}
