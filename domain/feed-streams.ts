/** One stream that the node follows: a source with what is asked of it. */
export interface FeedStream {
  source: string;
  kind: string;
  granularity: string;
  /** as this source calls them; the i-th of every stream is the same thing */
  subjects: readonly string[];
  /** FEED_OPT_… of this source, by name */
  options: Readonly<Record<string, string>>;
}

export interface StreamSettings {
  /** `<source>[:<kind>[:<granularity>]]`, comma separated: the first is what models see, the others are for truth and quality */
  sources: string;
  kind: string;
  granularity: string;
  subjects: readonly string[];
  /** FEED_SUBJECTS_<SOURCE> by source in capitals, comma separated */
  subjectsOf: Readonly<Record<string, string>>;
  /** FEED_OPT_<name> and FEED_OPT_<source>_<name> */
  options: Readonly<Record<string, string>>;
}

const KINDS = ["candle", "tick", "trade", "depth", "funding"];
const listOf = (text: string): string[] =>
  text
    .split(",")
    .map((s) => s.trim())
    .filter(Boolean);

/** What FEED_… settings ask for; every mistake in a sentence that names its setting. */
export function feedStreams(settings: StreamSettings): { streams: FeedStream[]; problems: string[] } {
  const problems: string[] = [];
  const entries = listOf(settings.sources).map((entry) => entry.split(":").map((part) => part.trim()));
  const names = new Set(entries.map(([source = ""]) => source.toLowerCase()));
  const streams = entries.map(([source = "", kind, granularity, ...rest]) => {
    const at = `FEED_SOURCE=${settings.sources}:`;
    if (!source || rest.length > 0) problems.push(`${at} write <source>, or <source>:<kind>:<granularity>`);
    if (kind && !KINDS.includes(kind)) problems.push(`${at} kind ${kind} is none of ${KINDS.join(", ")}`);
    if (granularity && !/^\d+(ms|s|m|h|d)$/.test(granularity))
      problems.push(`${at} granularity ${granularity}: a number and ms, s, m, h or d`);
    const stream = { source: source.toLowerCase(), kind: kind || settings.kind };
    return {
      ...stream,
      granularity: granularity || settings.granularity,
      subjects: subjectsFor(stream.source, settings, problems),
      options: optionsFor(stream.source, names, settings.options),
    };
  });
  const first = streams[0]?.source.toUpperCase() ?? "";
  if (settings.subjectsOf[first] !== undefined)
    problems.push(`FEED_SUBJECTS_${first}: the subjects of the first source are those of FEED_SUBJECTS`);
  if (streams.length === 0) problems.push("FEED_SOURCE: names no source");
  const keys = streams.map((s) => `${s.source}:${s.kind}:${s.granularity}`);
  for (const twice of keys.filter((key, i) => keys.indexOf(key) < i))
    problems.push(`FEED_SOURCE=${settings.sources}: ${twice} is there twice`);
  return { streams, problems };
}

function subjectsFor(source: string, settings: StreamSettings, problems: string[]): readonly string[] {
  const own = settings.subjectsOf[source.toUpperCase()];
  if (own === undefined) return settings.subjects;
  const subjects = listOf(own);
  if (subjects.length !== settings.subjects.length)
    problems.push(
      `FEED_SUBJECTS_${source.toUpperCase()}=${own}: one name for each of FEED_SUBJECTS=${settings.subjects.join(",")}, in that order`,
    );
  return subjects;
}

/** What is written for one source wins over what is written for all, and no other source sees it. */
function optionsFor(
  source: string,
  sources: ReadonlySet<string>,
  options: Readonly<Record<string, string>>,
): Record<string, string> {
  const owner = (name: string): string | undefined =>
    [...sources].find((s) => name.toLowerCase().startsWith(`${s}_`) && name.length > s.length + 1);
  const all = Object.entries(options);
  const shared = all.filter(([name]) => owner(name) === undefined);
  const own = all.filter(([name]) => owner(name) === source).map(([name, v]) => [name.slice(source.length + 1), v]);
  return Object.fromEntries([...shared, ...own]);
}
