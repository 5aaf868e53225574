import { quoted, UploadError } from "./submission-files.ts";

const MAX_REQUIREMENTS = 100;
const MAX_LENGTH = 200;
const VERSION = String.raw`(?:===|~=|==|!=|<=|>=|<|>)\s*[\w.*+!-]+`;
const REQUIREMENT = new RegExp(
  String.raw`^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(\[[\w\s,.-]*\])?\s*(\(?\s*${VERSION}(?:\s*,\s*${VERSION})*\s*\)?)?\s*(;[\w\s.'"()<>=!~]+)?$`,
);
/** Tools of the public platform that notebooks install for themselves; a model does not run them. */
const OF_THE_NOTEBOOK = new Set(["crunch-cli", "pip", "setuptools", "wheel"]);
/** Flags of `pip install` in a notebook that change what is printed, not what is installed; true: a value follows. */
const IDLE_FLAGS = new Map([
  ["-q", false],
  ["-qq", false],
  ["-qqq", false],
  ["--quiet", false],
  ["-U", false],
  ["--upgrade", false],
  ["--no-cache-dir", false],
  ["--user", false],
  ["--progress-bar", true],
  ["--upgrade-strategy", true],
]);

/** How package indexes compare names. */
const packageName = (name: string): string => name.replace(/[-_.]+/g, "-").toLowerCase();

/**
 * Requirements in their plain form, sorted, each once: a name, extras, versions, a marker; nothing that says where from.
 * @throws UploadError naming the line and why it is refused
 */
export function plainRequirements(lines: readonly string[], field = "requirements.txt"): string[] {
  const found = new Set(lines.map((line) => plain(line, field)).filter((line) => line !== null));
  if (found.size > MAX_REQUIREMENTS)
    throw new UploadError(`${field} has more than ${MAX_REQUIREMENTS} entries.`, field);
  return [...found].sort();
}

/** Lines of a requirements.txt: comments go, a backslash joins. */
export const requirementLines = (text: string): string[] => text.replace(/\\\r?\n/g, " ").split(/\r?\n/);

function plain(line: string, field: string): string | null {
  const text = line.replace(/(^|\s)#.*$/, "").trim();
  if (text === "") return null;
  const refuse = (why: string): never => {
    throw new UploadError(`${field}: ${quoted(text)} ${why}.`, field);
  };
  if (text.length > MAX_LENGTH) refuse(`is longer than ${MAX_LENGTH} characters`);
  if (text.startsWith("-"))
    refuse("is an option; only names and versions can be asked for, the index is the operator's");
  if (/:\/\/|\s@\s|^[\w.-]+@|^(git|hg|svn|bzr)\+/.test(text))
    refuse("is an address; only packages of the operator's index can be asked for");
  if (/^[./~]|[/\\]|\.(whl|zip|tar\.gz|egg)$/.test(text))
    refuse("is a path; only packages of the operator's index can be asked for");
  const match = REQUIREMENT.exec(text);
  if (!match) return refuse("cannot be understood: write name, extras and versions, as in `numpy>=1.26,<3`");
  const [, name = "", extras = "", versions = "", marker = ""] = match;
  return `${packageName(name)}${extras.replace(/\s/g, "")}${versions.replace(/[\s()]/g, "")}${marker.trim().replace(/^;\s*/, "; ")}`;
}

/**
 * What `pip install …` lines of a notebook ask for.
 * @throws UploadError for flags that would choose another source
 */
export function installedByNotebook(installs: readonly string[]): string[] {
  const field = "pip install";
  const wanted: string[] = [];
  for (const install of installs) {
    const words = install
      .replace(/["'`\\]/g, " ")
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? "";
      const takesValue = IDLE_FLAGS.get(word);
      if (takesValue !== undefined) i += takesValue ? 1 : 0;
      else if (/^(&&|\|\||;|\||>+|2?>.*)$/.test(word))
        break; // the rest is another command
      else if (word !== "" && !OF_THE_NOTEBOOK.has(packageName(word.split(/[[<>=!~;]/)[0] ?? ""))) wanted.push(word);
    }
  }
  return plainRequirements(wanted, field);
}
