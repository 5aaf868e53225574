import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { Difference } from "../proofs/verify/difference.ts";
import type { LogRead } from "../proofs/verify/log.ts";

const head = z.object({
  size: z.number().int().positive(),
  root: z.string().regex(/^[0-9a-f]{64}$/),
  signer: z.string(),
});
const heads = z.record(z.string(), head);
type Heads = z.infer<typeof heads>;

/** Shows that the tree of `from` entries begins that of `to`; false: it does not. Throws where nobody can be asked. */
export type AskConsistency = (
  from: { size: number; root: string },
  to: { size: number; root: string },
) => Promise<boolean>;

/** What this machine has seen of logs: the greatest head of each, and whose key signed it. */
export const defaultStatePath = (): string => join(homedir(), ".almanac", "log-heads.json");

export async function readHeads(path: string): Promise<Heads> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  const parsed = heads.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new Error(`${path} cannot be read as the heads that were seen; mend it, or move it away to begin anew`);
}

/**
 * Holds a log against what was seen of it before: a node that rewrites its history would have to show it to everybody, for ever. Returns what was
 * found out, in words. Throws Difference.
 */
export async function compareHead(seen: Heads, log: LogRead, ask: AskConsistency | null): Promise<string> {
  const last = seen[log.origin];
  if (!last) return `first seen: the key ${log.signer} and this tree are remembered`;
  const place = { file: "what was seen before", record: log.origin };
  if (last.signer !== log.signer) throw new Difference(place, "key", last.signer, log.signer);
  const known = [log, ...(log.before ? [log.before] : [])].find(({ size }) => size === last.size);
  if (known) {
    if (known.root !== last.root) throw new Difference(place, `root of ${last.size} entries`, last.root, known.root);
    return `tree ${last.size} -> ${log.size}`;
  }
  if (!ask) return `tree ${last.size} and ${log.size}: only a node can show that one begins the other`;
  const [from, to] = last.size < log.size ? [last, log] : [log, last];
  if (!(await ask(from, to)))
    throw new Difference(place, "consistency", `a tree of ${to.size} that begins with that of ${from.size}`, "another");
  return `tree ${last.size} -> ${log.size}`;
}

/** Keeps the greater head. */
export async function rememberHead(path: string, seen: Heads, { origin, size, root, signer }: LogRead): Promise<void> {
  if ((seen[origin]?.size ?? 0) >= size) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, `${JSON.stringify({ ...seen, [origin]: { size, root, signer } }, null, 2)}\n`);
  await rename(`${path}.part`, path);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
