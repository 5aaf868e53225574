const NAME_WIDTH = 12;

/** Lines for people: steps with a mark, notes, and events with the time since the start. */
export function createProgress(write: (text: string) => void, color: boolean) {
  const begun = Date.now();
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const line = (mark: string, name: string, text: string) => write(`${mark} ${name.padEnd(NAME_WIDTH)}${text}\n`);
  return {
    note: (text: string) => write(`  ${text}\n`),
    warn: (text: string) => write(`${paint(33, "!")} ${text}\n`),
    done: (name: string, text: string) => line(paint(32, "✔"), name, text),
    failed: (name: string, text: string) => line(paint(31, "✖"), name, text),
    event(text: string) {
      const seconds = Math.round((Date.now() - begun) / 1000);
      const clock = [seconds / 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
      write(`  ${paint(36, clock)} ${text}\n`);
    },
  };
}
export type Progress = ReturnType<typeof createProgress>;
