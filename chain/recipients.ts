import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { address, createKeyPairSignerFromPrivateKeyBytes, isAddress } from "@solana/kit";
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
  /** `crunchers`: all that the node knows, in order of registration */
  resolve(crunchers: readonly Cruncher[]): Promise<ReadonlyMap<string, Recipient>>;
}

/**
 * The registry of a local chain: a wallet per cruncher that follows from the id alone, and the place in order of registration
 * as index. The keys can be derived by anybody: never for a real network.
 */
export const localRegistry: Recipients = {
  async resolve(crunchers) {
    const entries = crunchers.map(async ({ id, name }, cruncherIndex): Promise<[string, Recipient]> => {
      const seed = createHash("sha256").update(`almanac-local:${id}`).digest();
      const { address } = await createKeyPairSignerFromPrivateKeyBytes(seed);
      return [id, { address, name, cruncherIndex }];
    });
    return new Map(await Promise.all(entries));
  },
};

const entry = z.object({
  id: z.string().min(1).optional(),
  name: z.string().min(1),
  address: z.string().refine(isAddress, "not a base58 address of 32 bytes"),
  cruncherIndex: z.number().int().min(0).max(0xffff_ffff),
});

/**
 * A JSON file [{address, name, cruncherIndex, id?}], read anew at each question so that an operator can add a missing one and retry.
 * An entry stands for the cruncher with its id, or, without an id, for the one with its name. Throws an Error naming the mistake.
 */
export function recipientsFile(path: string): Recipients {
  return {
    async resolve(crunchers) {
      const entries = readEntries(path);
      const found = crunchers.flatMap((cruncher): [string, Recipient][] => {
        const match =
          entries.find((e) => e.id === cruncher.id) ??
          entries.find((e) => e.id === undefined && e.name === cruncher.name);
        if (!match) return [];
        return [
          [cruncher.id, { address: address(match.address), name: match.name, cruncherIndex: match.cruncherIndex }],
        ];
      });
      return new Map(found);
    },
  };
}

function readEntries(path: string): z.output<typeof entry>[] {
  const parsed = z.array(entry).safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!parsed.success) throw new Error(`RECIPIENTS_FILE ${path}: ${z.prettifyError(parsed.error)}`);
  for (const key of ["id", "name", "cruncherIndex"] as const) {
    const values = parsed.data.map((e) => e[key]).filter((value) => value !== undefined);
    const twice = values.find((value, i) => values.indexOf(value) !== i);
    if (twice !== undefined)
      throw new Error(`RECIPIENTS_FILE ${path}: two entries with ${key} ${twice}; each may stand once`);
  }
  return parsed.data;
}

/** No list at all: everybody is unknown, and the checkpoint says so. */
export const noRecipients: Recipients = { resolve: async () => new Map() };
