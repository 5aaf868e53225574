import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Identity, isAlive } from "./process-identity.ts";

const identitySchema = z.object({ pid: z.int().positive(), started: z.string(), command: z.string() });

/** The identity in a file; undefined when the file is missing, torn, or its process is gone. */
export function readLiving(path: string): Identity | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const parsed = identitySchema.safeParse(JSON.parse(text));
    return parsed.success && isAlive(parsed.data) ? parsed.data : undefined;
  } catch {
    return undefined; // torn by a crash; the process marker finds what it named
  }
}

/** Files `<name>.json` that say which process is which; whole or absent, never half written. */
export function createPidFiles(folder: string) {
  mkdirSync(folder, { recursive: true });
  const path = (name: string) => join(folder, `${name}.json`);
  return {
    write(name: string, identity: Identity) {
      const draft = `${path(name)}.${process.pid}`;
      writeFileSync(draft, `${JSON.stringify(identity)}\n`, { mode: 0o600 });
      renameSync(draft, path(name));
    },
    remove: (name: string) => rmSync(path(name), { force: true }),
    read: (name: string) => readLiving(path(name)),
    /** Every living process on file, by name. Files of the dead are removed. */
    living(): Map<string, Identity> {
      const names = readdirSync(folder).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -5)] : []));
      const found = new Map<string, Identity>();
      for (const name of names) {
        const identity = readLiving(path(name));
        if (identity) found.set(name, identity);
        else rmSync(path(name), { force: true });
      }
      return found;
    },
  };
}
export type PidFiles = ReturnType<typeof createPidFiles>;
