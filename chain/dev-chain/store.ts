import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** lamports, owner, data (base64), executable; null: no such account */
const storedAccount = z.tuple([z.string(), z.string(), z.string(), z.boolean()]).nullable();
const balances = z.object({
  /** lamports of `keys`, as text */
  lamports: z.array(z.string()),
  tokens: z.array(z.record(z.string(), z.unknown())),
});
const NO_BALANCES = { lamports: [], tokens: [] };
const record = z.object({
  signature: z.string(),
  slot: z.number(),
  err: z.unknown(),
  wire: z.string(),
  keys: z.array(z.string()),
  memo: z.string().nullable(),
  logs: z.array(z.string()),
  fee: z.number(),
  units: z.number(),
  time: z.number(),
  /** accounts as they were before, until the slot is final: reads at older commitments, and rollback */
  before: z.record(z.string(), storedAccount),
  pre: balances.default(NO_BALANCES),
  post: balances.default(NO_BALANCES),
});
const state = z.object({
  version: z.literal(1),
  genesis: z.string(),
  /** the slot at `timeMs`; the clock goes on from there, also while nobody runs it */
  slot: z.number().int(),
  timeMs: z.number(),
  forks: z.array(z.object({ slot: z.number(), salt: z.string() })),
  accounts: z.record(z.string(), storedAccount),
  records: z.array(record),
});

export type StoredAccount = z.output<typeof storedAccount>;
export type Balances = z.output<typeof balances>;
export type TransactionRecord = z.output<typeof record>;
export type ChainState = z.output<typeof state>;

export interface Store {
  load(): ChainState | null;
  save(next: ChainState): void;
}

/** For tests that need no disk. */
export const memoryStore: Store = { load: () => null, save: () => undefined };

/** One file, replaced by rename after it is on disk: a kill or a power cut at any moment leaves the old state or the new one, index included. */
export function fileStore(dir: string): Store {
  const path = join(dir, "chain.json");
  return {
    load() {
      if (!existsSync(path)) return null;
      const parsed = state.safeParse(JSON.parse(readFileSync(path, "utf8")));
      if (!parsed.success) throw new Error(`${path} is not a dev chain's state. Move it away to begin a new chain.`);
      return parsed.data;
    },
    save(next) {
      mkdirSync(dir, { recursive: true });
      synced(`${path}.next`, (file) => writeFileSync(file, JSON.stringify(next)));
      renameSync(`${path}.next`, path);
      synced(dir);
    },
  };
}

/** On disk when it returns; a folder is synced for the names in it. */
function synced(path: string, write?: (file: number) => void): void {
  const file = openSync(path, write ? "w" : "r");
  try {
    write?.(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
