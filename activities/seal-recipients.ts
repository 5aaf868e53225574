import type { Recipient, Recipients } from "../chain/recipients.ts";
import type { Queryable } from "../db/database.ts";
import { crunchersInOrder } from "../db/period-snapshots.ts";
import type { CruncherShare } from "../domain/emission.ts";

/** A cruncher's share with the address it is paid to, fixed with the seal. */
export interface SealedRecipient {
  cruncher_id: string;
  name: string;
  address: string;
  cruncher_index: number;
  frac64: number;
}

interface Payable {
  /** those that are known, in the order of the shares */
  recipients: SealedRecipient[];
  /** who cannot be paid, all of them, and what to do; null: everybody can */
  cause: string | null;
}

/** Whose wallet each share goes to. Nobody is guessed: not whom the list leaves out, nor two crunchers whom one entry would stand for. */
export async function recipientsOf(
  db: Queryable,
  source: Recipients,
  shares: readonly CruncherShare[],
): Promise<Payable> {
  if (shares.length === 0) return { recipients: [], cause: null };
  const crunchers = await crunchersInOrder(db);
  const known = await source.resolve(crunchers);
  const unknown = shares
    .filter((share) => !known.has(share.cruncherId))
    .map((s) => `${s.cruncherName} (${s.cruncherId})`);
  const shared = sharedEntries(crunchers, known, new Set(shares.map((share) => share.cruncherId)));
  const causes = [
    ...(unknown.length > 0 ? [`no recipient is known for ${unknown.join(", ")}: ${source.remedy}`] : []),
    ...(shared.length > 0 ? [`${shared.join("; ")}: give each an entry of its own, with its id`] : []),
  ];
  return {
    recipients: shares.flatMap((share) => sealed(share, known.get(share.cruncherId))),
    cause: causes.length === 0 ? null : `${causes.join("; ")}; then retryBlocked`,
  };
}

/** Entries that stand for several crunchers, one of whom is to be paid. */
function sharedEntries(
  crunchers: readonly { id: string; name: string }[],
  known: ReadonlyMap<string, Recipient>,
  paid: ReadonlySet<string>,
): string[] {
  const byIndex = Map.groupBy(
    crunchers.filter((c) => known.has(c.id)),
    (c) => known.get(c.id)!.cruncherIndex,
  );
  return [...byIndex]
    .filter(([, same]) => same.length > 1 && same.some((c) => paid.has(c.id)))
    .map(
      ([index, same]) =>
        `the entry with index ${index} stands for ${same.map((c) => `${c.name} (${c.id})`).join(" and ")}`,
    );
}

const sealed = ({ cruncherId, frac64 }: CruncherShare, recipient: Recipient | undefined): SealedRecipient[] =>
  recipient
    ? [
        {
          ...{ cruncher_id: cruncherId, name: recipient.name, address: recipient.address },
          ...{ cruncher_index: recipient.cruncherIndex, frac64 },
        },
      ]
    : [];
