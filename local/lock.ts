import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readLiving } from "./pid-files.ts";
import { type Identity, identify } from "./process-identity.ts";

/** Another living process holds the lock. */
export class LockedError extends Error {
  override name = "LockedError";
  readonly holder: Identity;
  constructor(path: string, holder: Identity) {
    super(
      `Almanac already runs from this folder (process ${holder.pid}). Stop it with Ctrl-C or \`kill ${holder.pid}\`, or set ALMANAC_DIR to another folder. Lock: ${path}`,
    );
    this.holder = holder;
  }
}

const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/**
 * Takes the lock file at `path` for this process; a lock of a dead process is replaced.
 * The file appears with its content (link), so nobody reads half a lock. Throws LockedError.
 */
export function acquireLock(path: string): { release(): void } {
  const self = identify(process.pid);
  if (!self) throw new Error("cannot read this process's own start time (neither /proc nor ps answers)");
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  const content = `${JSON.stringify(self)}\n`;
  writeFileSync(draft, content, { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(draft, path);
        return {
          release() {
            if (textOf(path) === content) rmSync(path, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      setAside(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Moves a dead holder's lock away; if a living one slipped in between, puts it back and gives up. */
function setAside(path: string) {
  const holder = readLiving(path);
  if (holder) throw new LockedError(path, holder);
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readLiving(aside);
  if (moved) linkSync(aside, path);
  rmSync(aside, { force: true });
  if (moved) throw new LockedError(path, moved);
}
