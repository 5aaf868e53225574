/** Where evidence does not say what it has to: the first such place, in words for a person. */
export class Difference extends Error {
  override name = "Difference";
  /** file of the bundle, or what was asked (the chain, the state of an earlier check) */
  readonly file: string;
  /** line or id within it */
  readonly record: string;
  readonly field: string;
  readonly expected: string;
  readonly found: string;

  constructor(place: Place, field: string, expected: unknown, found: unknown) {
    const at = [place.file, place.record, field].filter((part) => part !== "").join(" · ");
    super(`${at}: expected ${shown(expected)}, found ${shown(found)}`);
    Object.assign(this, place);
    this.file = place.file;
    this.record = place.record;
    this.field = field;
    this.expected = shown(expected);
    this.found = shown(found);
  }
}

/** Part of a bundle, for the sentence that names what differs. */
export interface Place {
  file: string;
  record: string;
}

const MOST_SHOWN = 200;

/** Hostile text is shown as JSON, and not at any length. */
function shown(value: unknown): string {
  const text = typeof value === "string" && PLAIN.test(value) ? value : (safeJson(value) ?? "nothing");
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
const PLAIN = /^[\w .,:;/+()[\]'"<>=-]+$/;

const safeJson = (value: unknown): string | undefined =>
  typeof value === "bigint" ? String(value) : JSON.stringify(value)?.replace(/[^\x20-\x7e]/g, escaped);
const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
