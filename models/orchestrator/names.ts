import { createHash } from "node:crypto";

// biome-ignore format: a list of words reads best as one
const FIRST = [
  "amber", "brave", "bright", "calm", "clever", "cosmic", "crisp", "daring", "dusty", "eager", "early", "fancy", "fleet", "gentle",
  "golden", "grand", "happy", "hazel", "humble", "icy", "jolly", "keen", "kind", "lively", "lucky", "lunar", "mellow", "mild",
  "misty", "nimble", "noble", "patient", "plain", "polar", "proud", "quick", "quiet", "rapid", "rustic", "sandy", "silent", "silver",
  "sober", "solar", "steady", "stormy", "subtle", "sunny", "swift", "tidy", "velvet", "vivid", "warm", "wild", "wise", "witty",
];
// biome-ignore format: as above
const SECOND = [
  "badger", "beacon", "birch", "brook", "canyon", "cedar", "comet", "condor", "coral", "crane", "creek", "delta", "dune", "ember",
  "falcon", "fern", "finch", "fjord", "forest", "fox", "glacier", "grove", "harbor", "hare", "heron", "hill", "island", "ivy",
  "juniper", "lagoon", "lark", "lynx", "maple", "marsh", "meadow", "mesa", "moss", "oak", "orbit", "otter", "owl", "pebble",
  "pine", "prairie", "quartz", "raven", "reef", "ridge", "river", "robin", "sparrow", "spruce", "summit", "thistle", "valley", "willow",
];

/** Two words for a model or a cruncher without a name: the same id has the same name for ever. */
export function slugName(id: string): string {
  const hash = createHash("sha256").update(id).digest();
  const word = (list: readonly string[], at: number): string => list[hash.readUInt32LE(at) % list.length] ?? "";
  return `${word(FIRST, 0)}-${word(SECOND, 4)}`;
}
