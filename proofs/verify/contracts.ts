import type { Hash } from "../hash.ts";
import { valueHash } from "../records.ts";
import type { BundleFiles } from "./files.ts";
import { aHash, aList, anObject, aText, exactly, same } from "./shape.ts";

const FILE = "contracts.json";

/** A competition's contract as rounds name it by its hash: what it was made of. */
export interface BundledContract {
  hash: string;
  schedule: readonly unknown[];
  callables: Readonly<Record<string, unknown>>;
  /** text by path */
  sources: Readonly<Record<string, string>>;
}

/** Reads contracts and their sources, and holds each against its hash. The sources are read, never run. */
export async function readContracts(files: BundleFiles, hash: Hash): Promise<BundledContract[]> {
  const listed = aList({ file: FILE, record: "" }, "", await files.json(FILE));
  const texts = new Map<string, string>();
  for (let name = files.next(); name?.startsWith("contract/"); name = files.next())
    texts.set(name, await files.text(name));
  const used = new Set<string>();
  const contracts = listed.map((each, i) => {
    const place = { file: FILE, record: `contract ${i + 1}` };
    const contract = exactly(place, "", each, ["hash", "schedule", "callables", "sources"]);
    const sources = Object.entries(anObject(place, "sources", contract.sources)).map(([path, name]) => {
      const text = texts.get(aText(place, `sources.${path}`, name));
      same(place, `sources.${path}`, true, text !== undefined);
      used.add(name as string);
      return [path, text!];
    });
    const body = {
      sources: Object.fromEntries(sources) as Record<string, string>,
      schedule: aList(place, "schedule", contract.schedule),
      callables: anObject(place, "callables", contract.callables),
    };
    same(place, "hash", valueHash(hash, body), aHash(place, "hash", contract.hash));
    return { hash: contract.hash as string, ...body };
  });
  for (const name of texts.keys()) same({ file: name, record: "" }, "", true, used.has(name));
  return contracts;
}
