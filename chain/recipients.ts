import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Address, createKeyPairSignerFromPrivateKeyBytes, isAddress } from "@solana/kit";
import { z } from "zod";

interface Cruncher {
  id: string;
  name: string;
}

export interface Recipient {
  address: string;
  name: string;
  /** place in the crunch's own list, not the rank */
  cruncherIndex: number;
}

/** Who is paid for a cruncher. A cruncher missing from the answer is unknown: nobody is ever guessed. */
export interface Recipients {
  /** where an operator completes the list, as an instruction */
  remedy: string;
  /** `crunchers`: all that the node knows, in order of registration. Throws where the list cannot be had or contradicts itself. */
  resolve(crunchers: readonly Cruncher[]): Promise<ReadonlyMap<string, Recipient>>;
}

/**
 * The registry of a local chain: a wallet per cruncher that follows from the id alone, and the place in order of registration
 * as index. The keys can be derived by anybody: never for a real network.
 */
export const localRegistry: Recipients = {
  remedy: "register the model again",
  async resolve(crunchers) {
    const entries = crunchers.map(async ({ id, name }, cruncherIndex): Promise<[string, Recipient]> => {
      const seed = createHash("sha256").update(`almanac-local:${id}`).digest();
      const { address } = await createKeyPairSignerFromPrivateKeyBytes(seed);
      return [id, { address, name, cruncherIndex }];
    });
    return new Map(await Promise.all(entries));
  },
};

/** No list at all: everybody is unknown, and the checkpoint says so. */
export const noRecipients: Recipients = {
  remedy: "set CRUNCH_PUBKEY and CHAIN_INDEX_URL, or RECIPIENTS_FILE",
  resolve: async () => new Map(),
};

/**
 * A JSON file [{address, name, cruncherIndex, id?}], read anew at each question so that an operator can add a missing one and retry.
 * Throws an Error naming the mistake.
 */
export const recipientsFile = (path: string): Recipients => ({
  remedy: `add them to RECIPIENTS_FILE ${path}`,
  resolve: async (crunchers) => {
    const where = `RECIPIENTS_FILE ${path}`;
    const text = await readFile(path, "utf8");
    return matchRecipients(recipientsIn(jsonOf(text, where), where), crunchers);
  },
});

const recipientEntry = z.object({
  id: z.string().min(1).optional(),
  name: z.string().min(1),
  address: z.string().refine((text): text is Address => isAddress(text), "not a base58 address of 32 bytes"),
  cruncherIndex: z.number().int().min(0).max(0xffff_ffff),
});
type RecipientEntry = z.output<typeof recipientEntry>;

/** Throws an Error that says what is no JSON. */
export function jsonOf(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${where} is no JSON: ${(error as Error).message}`);
  }
}

/** The entries of a list, each id, name and index once. Throws an Error naming the mistake and its place. */
export function recipientsIn(list: unknown, where: string): RecipientEntry[] {
  const parsed = z.array(recipientEntry).safeParse(list);
  if (!parsed.success) throw new Error(`${where}: ${z.prettifyError(parsed.error)}`);
  for (const key of ["id", "name", "cruncherIndex"] as const) {
    const twice = firstTwice(parsed.data.map((e) => e[key]).filter((value) => value !== undefined));
    if (twice !== undefined) throw new Error(`${where}: two entries with ${key} ${twice}; each may stand once`);
  }
  return parsed.data;
}

function firstTwice(values: readonly (string | number)[]): string | number | undefined {
  const seen = new Set<string | number>();
  return values.find((value) => seen.size === seen.add(value).size);
}

/**
 * An entry stands for the cruncher with its id; one without an id stands for the cruncher whose id is its address, else for the one with its name.
 */
export function matchRecipients(
  entries: readonly RecipientEntry[],
  crunchers: readonly Cruncher[],
): ReadonlyMap<string, Recipient> {
  const ids = new Map(entries.filter((e) => e.id !== undefined).map((e) => [e.id, e]));
  const others = entries.filter((e) => e.id === undefined);
  const addresses = new Map<string, RecipientEntry[]>(
    [...Map.groupBy(others, (e) => e.address)].filter(([, same]) => same.length === 1),
  );
  const names = new Map(others.map((e) => [e.name, e]));
  return new Map(
    crunchers.flatMap(({ id, name }): [string, Recipient][] => {
      const match = ids.get(id) ?? addresses.get(id)?.[0] ?? names.get(name);
      if (!match) return [];
      return [[id, { address: match.address, name: match.name, cruncherIndex: match.cruncherIndex }]];
    }),
  );
}
