/** What Markdown or HTML could take for anything but a letter. */
const SPECIAL = /[\\`*_{}[\]()<>#+\-.!|~&:@^$=]/g;
/** Controls, line breaks, marks that turn the direction of writing, and characters without width. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/**
 * Text of a stranger (a model's name, a cause) as Markdown that shows it and nothing else: on one line, every mark escaped, `longest` characters at
 * most. Letters and digits, spaces and what is left of punctuation stay.
 */
export function markdownText(text: string, longest = 60): string {
  const line = text.replace(INVISIBLE, " ").replace(/\s+/g, " ").trim();
  const letters = [...line];
  const shown = letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : line;
  return shown.replace(SPECIAL, (mark) =>
    mark === "<" ? "&lt;" : mark === ">" ? "&gt;" : mark === "&" ? "&amp;" : `\\${mark}`,
  );
}
