import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import pretty from "pino-pretty";

/** A line without an end must not fill the memory. */
const LONGEST_LINE = 64 * 1024;

/** Calls `each` for every line of the stream; longer lines are cut. */
export function readLines(stream: Readable, each: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) each(line.slice(0, LONGEST_LINE));
    if (rest.length > LONGEST_LINE) {
      each(rest.slice(0, LONGEST_LINE));
      rest = "";
    }
  });
  stream.once("end", () => rest !== "" && each(rest));
}

const NAME_WIDTH = 16;

/** Prints lines of many roles, each with its name in front; JSON lines become readable ones. */
export function createLogPrinter(write: (text: string) => void, color: boolean) {
  const format = pretty.prettyFactory({
    colorize: color,
    translateTime: "SYS:HH:MM:ss",
    ignore: "pid,hostname,name,role",
    singleLine: true,
  });
  return (name: string) => (line: string) => {
    const readable = line.startsWith("{") ? format(line) : line;
    const prefix = `${name.padEnd(NAME_WIDTH)} `;
    for (const part of String(readable).trimEnd().split("\n")) write(`${prefix}${part}\n`);
  };
}
